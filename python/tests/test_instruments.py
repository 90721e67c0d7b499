"""Counters, gauges, histograms, timers: what was counted is what arrives, however the program ends."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import threading
import time

import pytest

import potsdb


def stored(server) -> dict[str, list[float]]:
    """The values that arrived, by metric and own tags, in the order of time; no series has two for one second."""
    points: dict[str, list[tuple[int, float]]] = {}
    for line in server.text:
        _, metric, at, value, *tags = line.split()
        points.setdefault(" ".join([metric, *tags]), []).append((int(at), float(value)))
    for name, values in points.items():
        values.sort()
        times = [at for at, _ in values]
        assert len(set(times)) == len(times), (name, values)
    return {name: [value for _, value in values] for name, values in points.items()}


def pass_time() -> None:
    """Lets the clock move, by so much that what was measured before and after can be told apart."""
    until = time.perf_counter() + 0.005
    while time.perf_counter() < until:
        pass


def test_a_hundred_adds_within_a_second_arrive_as_a_hundred(client, server):
    counter = client.counter("hits", path="/login")
    for _ in range(100):
        counter.add()
    assert counter.total == 100
    assert client.flush(10)
    assert stored(server) == {"hits path=/login": [0, 100]}


HEAD = """
    import os, signal, sys, multiprocessing
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    counter = client.counter("hits", path="/login")
    def count():
        for _ in range(100):
            counter.add()
"""


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("", id="that-just-ends"),
        pytest.param("client.wait()", id="that-waits"),
        pytest.param("client.close(10)", id="that-closes"),
        pytest.param("del client, counter", id="that-lets-go"),
        pytest.param("client.flush(10); os._exit(0)", id="that-flushes-and-leaves"),
        pytest.param("sys.exit()", id="that-exits"),
        pytest.param("[(client.flush(10), counter.add()) for _ in range(20)]", id="that-flushes-all-the-time"),
        pytest.param(
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); os.kill(os.getpid(), signal.SIGTERM)",
            id="that-is-terminated",
        ),
    ],
)
def test_the_total_of_a_program_arrives(run, server, end):
    _, err = run(HEAD + f"\n    count(); {end}", server.port)
    assert err == ""
    (values,) = stored(server).values()
    assert (values[0], values[-1]) == (0, 120 if "range" in end else 100)


def test_one_thread_ticks_from_the_first_update_until_the_client_ends(run, server):
    script = HEAD + """
    import time
    def tickers():
        names = []
        for task in os.listdir("/proc/self/task"):
            try:
                names.append(open(f"/proc/self/task/{task}/comm").read())
            except OSError:
                pass  # It has ended meanwhile.
        return names.count("potsdb-ticker\\n")
    def wait_for(number):
        end = time.monotonic() + 20
        while tickers() != number:
            assert time.monotonic() < end, (tickers(), number)
    client.gauge("load", a=1)
    assert tickers() == 0
    count()
    client.gauge("load", a=1).set(1)
    wait_for(1)
    child = os.fork()
    if child == 0:
        assert tickers() == 0
        counter.add()
        wait_for(1)
        client.wait()
        wait_for(0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    other = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    hits = other.counter("hits", of="other")
    hits.add()
    wait_for(2)
    other.stop()
    wait_for(1)
    del client, counter
    wait_for(0)
    """
    run(script, server.port, options=("-W", "ignore"))


FORKS = ("-W", "ignore:This process:DeprecationWarning")


def test_a_forked_child_starts_at_zero(run, server):
    script = HEAD + """
    count()
    client.flush(10)
    for who in ("a", "b"):
        if os.fork() == 0:
            assert counter.total == 0, counter.total
            counter.add(3)
            assert counter.total == 3
            client.counter("mine", who=who).add(who == "a")
            sys.exit()
        assert os.wait()[1] == 0
    assert counter.total == 100
    counter.add()
    """
    run(script, server.port, options=FORKS)
    values = [line.split()[3] for line in server.text if line.startswith("put hits ")]
    assert values == ["0", "100", "0", "3", "0", "3", "101"]
    assert "put mine" in "".join(server.text)


def test_what_a_parent_only_made_is_its_childrens_to_send(run, server):
    script = HEAD + """
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            own = client.counter("own", pid=os.getpid())
            for _ in range(1000):
                counter.add()
                own.add()
            sys.exit()
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    """
    run(script, server.port, options=FORKS)
    own = [line.split()[3] for line in server.text if line.startswith("put own ")]
    assert sorted(own) == ["0"] * 4 + ["1000"] * 4
    # The parent never added, so it says nothing of it.
    assert len([line for line in server.text if line.startswith("put hits ")]) == 8


def test_children_of_multiprocessing_deliver_what_they_counted(run, server):
    script = HEAD + """
    if __name__ == "__main__":
        child = multiprocessing.get_context("fork").Process(target=count)
        child.start()
        child.join()
        assert child.exitcode == 0
    """
    run(script, server.port, options=FORKS)
    assert stored(server) == {"hits path=/login": [0, 100]}


def test_a_fork_amid_updates_and_flushes_of_other_threads_hangs_nobody(run, server):
    script = HEAD + """
    import threading
    going = True
    def busy():
        while going:
            counter.add()
            client.histogram("sizes", n=counter.total % 50).record(counter.total)
    def flushing():
        while going:
            client.flush(10)
    threads = [threading.Thread(target=each) for each in (busy, busy, flushing)]
    for thread in threads:
        thread.start()
    for n in range(20):
        child = os.fork()
        if child == 0:
            own = client.counter("own", n=n)
            own.add(7)
            client.histogram("sizes", n=n).record(1)
            client.wait()
            os._exit(own.total != 7)
        assert os.waitpid(child, 0)[1] == 0
    going = False
    for thread in threads:
        thread.join()
    """
    run(script, server.port, options=FORKS)
    assert sum(line.startswith("put own ") and " 7 " in line for line in server.text) == 20


def test_threads_that_add_at_once_lose_nothing(client, server):
    counter = client.counter("hits", path="/login")
    threads = [threading.Thread(target=lambda: [counter.add(2) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.total == 4000
    assert client.flush(10)
    assert stored(server)["hits path=/login"] == [0, 4000]


def test_a_counter_only_grows_and_takes_fractions(client):
    counter = client.counter("hits", path="/login")
    counter.add()
    counter.add(n=True)
    assert counter.total == 2 and isinstance(counter.total, int)
    counter.add(0.5)
    assert counter.total == 2.5
    for wrong in (-1, -0.5):
        with pytest.raises(ValueError, match="a counter only grows"):
            counter.add(wrong)
    with pytest.raises(OverflowError):
        counter.add(2**64)
    with pytest.raises(TypeError):
        counter.add("7")
    assert counter.total == 2.5


def test_a_gauge_goes_up_and_down(client, server):
    gauge = client.gauge("load", host="web1")
    assert gauge.value is None
    gauge.set(2)
    gauge.add()
    gauge.sub(0.5)
    assert gauge.value == 2.5
    with pytest.raises(TypeError):
        gauge.set(object())
    assert client.flush(10)
    assert stored(server) == {"load host=web1": [2.5]}


def test_a_histogram_has_count_sum_extremes_and_percentiles(client, server):
    histogram = client.histogram("sizes", path="/login")
    for n in range(1, 1001):
        histogram.record(n)
    assert client.flush(10)
    values = {name.split()[0]: values for name, values in stored(server).items()}
    assert (values["sizes.count"], values["sizes.sum"]) == ([0, 1000], [0, 500500])
    assert (values["sizes.min"], values["sizes.max"]) == ([1], [1000])
    for name, exact in [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)]:
        assert values[f"sizes.{name}"] == [pytest.approx(exact, rel=0.008)]


def test_what_is_no_number_is_refused_counted_and_logged(client, caplog):
    client.gauge("load", a=1).set(float("nan"))
    client.histogram("sizes", a=1).record(float("inf"))
    client.counter("hits", a=1).add(float("nan"))
    assert client.instruments.stats()["refused"] == 3
    assert 'metric "load": NaN is no finite number' in caplog.text


def longest(client, server) -> float:
    assert client.flush(10)
    values = stored(server)
    (name,) = [name for name in values if ".max" in name]
    return values[name][-1]


def test_blocks_of_overlapping_tasks_are_told_apart(client, server):
    timer = client.timer("took", a=1)
    outer: list[float] = []

    async def task(entered: asyncio.Event, leave: asyncio.Event) -> None:
        began = time.perf_counter()
        async with timer:
            with timer:
                entered.set()
                await leave.wait()
        outer.append(time.perf_counter() - began)

    async def main() -> None:
        # First in, first out: a stack per thread would give each the other's time.
        events = [asyncio.Event() for _ in range(4)]
        first = asyncio.ensure_future(task(events[0], events[1]))
        await events[0].wait()
        pass_time()
        second = asyncio.ensure_future(task(events[2], events[3]))
        await events[2].wait()
        pass_time()
        events[1].set()
        await first
        pass_time()
        events[3].set()
        await second

    asyncio.run(main())
    assert 0.01 <= longest(client, server) <= max(outer)
    assert stored(server)["took.count a=1"] == [0, 4]


def test_blocks_of_overlapping_greenlets_are_told_apart(client, server):
    greenlet = pytest.importorskip("greenlet")
    timer = client.timer("took", a=1)
    outer: list[float] = []

    def block() -> None:
        began = time.perf_counter()
        with timer:
            main.switch()
        outer.append(time.perf_counter() - began)

    main = greenlet.getcurrent()
    first, second = greenlet.greenlet(block), greenlet.greenlet(block)
    first.switch()
    pass_time()
    second.switch()
    pass_time()
    first.switch()
    pass_time()
    second.switch()
    assert 0.01 <= longest(client, server) <= max(outer)


def test_blocks_of_threads_and_nested_ones_are_told_apart(client, server):
    timer, other = client.timer("took", a=1), client.timer("others", a=1)
    entered, leave = threading.Event(), threading.Event()

    def thread() -> None:
        with timer:
            entered.set()
            leave.wait(10)

    beside = threading.Thread(target=thread)
    beside.start()
    assert entered.wait(10)
    with timer as same, other, timer:
        assert same is timer
    # Entered and left by turns, of two timers.
    timer.__enter__()
    other.__enter__()
    timer.__exit__(None, None, None)
    other.__exit__(None, None, None)
    pass_time()
    leave.set()
    beside.join()
    assert client.flush(10)
    values = stored(server)
    assert (values["took.count a=1"], values["others.count a=1"]) == ([0, 4], [0, 2])
    assert values["took.max a=1"][0] >= 0.005


def test_a_token_is_measured_once_and_wherever_it_is_stopped(client, server):
    timer = client.timer("took", a=1)
    with timer.time() as block:
        pass_time()
    first = block.stop()
    assert first >= 0.005
    timer.time().discard()
    running = timer.time()
    threading.Thread(target=running.stop).start()
    timer.record(1.5)
    with pytest.raises(ValueError):
        timer.record(-1)

    async def main() -> None:
        async with timer.time():
            pass

    asyncio.run(main())
    running.stop()
    assert client.flush(10)
    assert stored(server)["took.count a=1"] == [0, 4]
    assert stored(server)["took.max a=1"] == [1.5]


def test_a_timer_decorates_functions_and_coroutines(client, server):
    timer = client.timer("took", a=1)

    @timer
    def double(n: int) -> int:
        """Twice."""
        return 2 * n

    @timer
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        pass_time()
        return 2 * n

    assert (double.__name__, double.__doc__, double(4)) == ("double", "Twice.", 8)
    assert asyncio.iscoroutinefunction(later) and asyncio.run(later(n=4)) == 8
    with pytest.raises(TypeError, match="a timer decorates functions"):
        timer(7)
    assert longest(client, server) >= 0.005
    assert stored(server)["took.count a=1"] == [0, 2]


def test_no_timer_replaces_an_exception_of_the_program(client, caplog):
    timer = client.timer("took", a=1)
    refused = client.timer("took", a="b c")
    client.close(10)

    async def fails() -> None:
        async with timer, refused, refused.time():
            raise KeyError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError), timer, refused, timer.time():
            raise ZeroDivisionError
        with pytest.raises(KeyError):
            asyncio.run(fails())


def test_a_block_that_is_left_elsewhere_is_not_measured_and_said(client, server, caplog):
    timer = client.timer("took", a=1)
    contextvars.Context().run(timer.__enter__)
    timer.__exit__(None, None, None)
    assert "the timer was not entered in this task or thread" in caplog.text
    assert client.flush(10)
    assert server.text == []


def test_the_same_name_and_tags_are_the_same_instrument(client, server):
    for _ in range(10):
        client.counter("hits", a=1, b=2).add()
        client.counter("hits", tags={"b": 2, "a": 1}).add()
    assert client.flush(10)
    assert stored(server) == {"hits a=1 b=2": [0, 20]}
    with pytest.raises(ValueError, match='metric "hits" is a counter already: it cannot be a gauge too'):
        client.gauge("hits", a=2)


def test_illegal_names_are_refused_as_a_series_are(client, caplog):
    with pytest.raises(AssertionError):
        client.gauge("no spaces", a=1)
    counter = client.counter("m", a="b c")
    counter.add()
    assert client.stats().invalid == 3 and counter.total == 0
    assert "b c" in caplog.text
    with potsdb.Client("localhost", check_host=False, test_mode=True, invalid="raise") as strict:
        with pytest.raises(potsdb.InvalidPoint):
            strict.counter("m", a="b c")


def test_updates_after_the_close_go_nowhere_and_raise_nothing(client, server):
    counter, gauge = client.counter("hits", a=1), client.gauge("load", a=1)
    counter.add()
    client.close(10)
    counter.add()
    gauge.set(1)
    assert counter.total == 2
    assert stored(server) == {"hits a=1": [0, 1]}


def test_instruments_may_have_settings_of_their_own(client, server):
    slow = potsdb.Instruments(client, interval=60, style="prometheus", names="escape", buckets=[0.1, 1], quantiles=[0.5])
    slow.histogram("web:took", a=1).record(0.5)
    slow.counter("hits", user="ann lee").add()
    assert client.flush(10)
    assert sorted(stored(server)) == [
        "hits user=ann_20lee",
        "web_.took a=1 quantile=0.5",
        "web_.took_bucket a=1 le=0.1",
        "web_.took_bucket a=1 le=1",
        "web_.took_bucket a=1 le=inf",
        "web_.took_count a=1",
        "web_.took_max a=1",
        "web_.took_sum a=1",
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"interval": 0.5}, "interval: 500ms is not whole seconds from 1 to 86400"),
        ({"interval": -1}, "interval: -1 is no number of seconds"),
        ({"style": "plain"}, 'style: "plain" is unknown: dotted or prometheus is allowed'),
        ({"names": "ascii"}, 'names: "ascii" is unknown: refuse, replace or escape is allowed'),
        ({"quantiles": [2]}, "quantiles: 2 is not from 0 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(offline, setting, said):
    with pytest.raises(potsdb.ConfigError) as error:
        potsdb.Instruments(offline, **setting)
    assert str(error.value) == said


def test_a_metric_that_grows_is_reported_before_it_reaches_its_limit(client, caplog):
    few = potsdb.Instruments(client, max_series=5)
    for user in range(8):
        few.counter("hits", user=user).add()
    assert few.stats() == {"instruments": 5, "refused": 0, "beyond_limit": 3, "merged": 0}
    assert 'metric "hits" has 4 series of 5 it may have; the tag "user" has 4 values' in caplog.text


def test_units_and_descriptions_are_kept(offline):
    offline.timer("took", a=1)
    offline.instruments.describe("took", unit="seconds", text="How long a page takes.")
    assert offline.instruments.descriptions() == {
        "took": {"kind": "histogram", "unit": "seconds", "text": "How long a page takes."}
    }


def test_instruments_are_told_by_their_text_and_are_not_pickled(offline):
    counter, gauge = offline.counter("hits", path="/login"), offline.gauge("load")
    counter.add(7)
    assert repr(counter) == "<potsdb.Counter hits path=/login: 7>"
    assert repr(gauge) == "<potsdb.Gauge load>"
    gauge.set(0.5)
    assert repr(gauge) == "<potsdb.Gauge load: 0.5>"
    timer = offline.timer("took", path="/login")
    assert repr(timer) == "<potsdb.Timer took path=/login>"
    for one in (counter, gauge, offline.histogram("sizes"), timer, timer.time(), offline.instruments):
        for refused in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="cannot be pickled: make it in each process"):
                refused(one)
