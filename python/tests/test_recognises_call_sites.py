"""Call sites known by the identity of their strings: always the line that the strings themselves say.

`send` gives back the line it queued, and the server tells what came; both are compared with lines put together here.
A site is known from its third call on, so everything is sent more often than that.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref

import pytest

import potsdb

TIME = 1_600_000_000
OFTEN = 6


def line(metric: str, value: object, time: int, tags: dict[str, object]) -> str:
    return f"put {metric} {time} {value} " + " ".join(f"{key}={tag}" for key, tag in tags.items()) + "\n"


def fresh(text: str) -> str:
    """An equal string that is another object."""
    copy = "".join(list(text))
    assert copy == text
    return copy


@pytest.fixture
def clock():
    """Times that never repeat."""
    return iter(range(TIME, TIME + 10_000_000)).__next__


def test_constants_and_equal_strings_are_the_same_series(client, server, clock):
    expected = []
    for n in range(OFTEN):
        for metric, path in [("web.latency", "/login"), (fresh("web.latency"), fresh("/login"))]:
            time = clock()
            expected.append(line("web.latency", n, time, {"path": "/login", "dc": "eu"}))
            assert client.send(metric, n, path=path, dc="eu", timestamp=time) == expected[-1]
    # One memory of times: whichever way the second point of a time comes, it is a repeat.
    for metric in ["web.latency", fresh("web.latency")]:
        assert client.send(metric, 1, path="/login", dc="eu", timestamp=time) is None
    assert client.series("web.latency", path="/login", dc="eu").send(1, time) is False
    assert client.flush(10)
    assert server.text == expected
    assert client.stats().repeated == 3


def test_many_threads_at_the_same_sites_send_what_each_of_them_said(client, server):
    """All share a client, its table of sites, a series and the statistics; what one learns another pushes out."""
    metrics, paths = [f"m{n}" for n in range(5)], [f"/p{n}" for n in range(7)]
    threads, calls = 8, 1500
    series = client.series("shared", a=1)
    start, wrong = threading.Barrier(threads), []

    def work(thread: int) -> None:
        start.wait()
        for n in range(calls):
            # Nobody else sends at this thread's times.
            time = TIME + thread * calls + n
            metric, path = metrics[n % 5], paths[n % 7]
            told = [
                (client.send(metric, n, path=path, dc="eu", timestamp=time), line(metric, n, time, {"path": path, "dc": "eu"})),
                (client.send(fresh(metric), n, path=fresh(path), timestamp=time), line(metric, n, time, {"path": path})),
                (client.send("often", n, **{"a": path, "t": str(thread)}, timestamp=time), line("often", n, time, {"a": path, "t": thread})),
                (series.send(n, time), True),
            ]
            if n % 100 == 0:
                assert client.stats().accepted > 0
                told.append((client.send("m", n, a="b c"), None))
            wrong.extend(pair for pair in told if pair[0] != pair[1])

    running = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    [thread.start() for thread in running]
    [thread.join() for thread in running]
    assert wrong == []
    assert client.flush(30)
    stats = client.stats()
    assert (stats.accepted, stats.acknowledged) == (threads * calls * 4,) * 2
    assert stats.invalid == threads * calls // 100
    assert len(server.lines) == len(set(server.lines)) == threads * calls * 4


def test_one_site_sends_whatever_its_variables_hold(client, clock):
    metrics, paths, zones = ["a", "b", "c"], ["/x", "/y"], ["eu", "us"]
    for n in range(200):
        metric, path, zone = metrics[n % 3], paths[n % 2], zones[n // 7 % 2]
        time = clock()
        tags = {"path": path, "zone": zone}
        assert client.send(metric, n, path=path, zone=zone, timestamp=time) == line(metric, n, time, tags)


def test_the_order_and_the_names_of_tags_are_the_calls_own(client, clock):
    x, y = "x", "y"
    for _ in range(OFTEN):
        time = clock()
        assert client.send("m", 1, a=x, b=y, timestamp=time) == line("m", 1, time, {"a": "x", "b": "y"})
        assert client.send("m", 1, b=x, a=y, timestamp=time) == line("m", 1, time, {"b": "x", "a": "y"})
        assert client.send("m", 1, a=y, b=x, timestamp=time) == line("m", 1, time, {"a": "y", "b": "x"})
        assert client.send("m", 1, timestamp=time, a=x, c=y) == line("m", 1, time, {"a": "x", "c": "y"})
        assert client.send("m", 1, a=x, timestamp=time) == line("m", 1, time, {"a": "x"})
        # The metric as a tag, the tag as the metric.
        assert client.send(x, 1, a="m", timestamp=time) == line("x", 1, time, {"a": "m"})


def test_tags_from_a_dict_are_known_by_their_strings(client, clock):
    tags = {"path": "/login", "dc": "eu"}
    other = {"path": "/login", "rack": "eu"}
    for _ in range(OFTEN):
        time = clock()
        assert client.send("m", 1, **tags, timestamp=time) == line("m", 1, time, tags)
        assert client.send("m", 1, **other, timestamp=time) == line("m", 1, time, other)
        assert client.send("n", 1, tags=tags, timestamp=time) == line("n", 1, time, tags)


def test_values_that_are_no_strings_are_printed_each_time(client, clock):
    class Counter:
        count = 0

        def __str__(self) -> str:
            self.count += 1
            return f"c{self.count}"

    class Loud(str):
        def __str__(self) -> str:
            return self.upper()

    counter, loud = Counter(), Loud("quiet")
    for n in range(1, OFTEN):
        time = clock()
        assert client.send("m", 1, a=counter, timestamp=time) == line("m", 1, time, {"a": f"c{n}"})
        assert client.send("m", 1, b=loud, timestamp=time) == line("m", 1, time, {"b": "QUIET"})
        assert client.send("m", 1, c=n, d=None, timestamp=time) == line("m", 1, time, {"c": n, "d": None})
        assert client.send(Loud("m"), 1, e="x", timestamp=time) == line("m", 1, time, {"e": "x"})


def test_every_kind_of_value_and_time_goes_through_a_known_site(client, clock):
    def send(value: object, **more: object) -> str | None:
        return client.send("m", value, a="x", **more)

    for _ in range(OFTEN):
        time = clock()
        send(1, timestamp=time)
        # The last time a site was known by: an int. All of these are other kinds.
        for given, printed in [(1.5, "1.5"), (True, "1"), ("7", "7"), (-(2**63), -(2**63)), (2.0, "2"), (1e300, "1.0e300")]:
            time = clock()
            assert send(given, timestamp=str(time)) == line("m", printed, time, {"a": "x"})
            time = clock()
            assert send(given, timestamp=time) == line("m", printed, time, {"a": "x"})
            time = clock()
            assert send(given, timestamp=float(time)) == line("m", printed, time, {"a": "x"})
    before = client.stats().invalid
    assert send(2**63, timestamp=clock()) is None
    assert send(1, timestamp=5) is None
    with pytest.raises(ValueError, match="finite"):
        send(float("nan"), timestamp=clock())
    with pytest.raises(TypeError):
        send(object(), timestamp=clock())
    with pytest.raises(TypeError):
        send(1, timestamp=[])
    assert client.stats().invalid == before + 5


def test_strings_that_die_leave_nothing_to_whoever_gets_their_place(client, clock):
    """Thousands of strings made for one call each: most lie where one before them lay."""
    rng = random.Random(7)
    for n in range(20_000):
        path, metric = f"/p{rng.randrange(50)}", f"m{rng.randrange(3)}"
        time = clock()
        assert client.send(metric, n, path=path, dc="eu", timestamp=time) == line(
            metric, n, time, {"path": path, "dc": "eu"}
        )
        del path, metric


def test_more_sites_than_places_push_each_other_out_and_stay_right(client, clock):
    paths = [f"/p{n}" for n in range(6000)]
    for _ in range(4):
        for n, path in enumerate(paths):
            time = clock()
            assert client.send("m", n, path=path, timestamp=time) == line("m", n, time, {"path": path})


def test_a_client_that_goes_lets_go_of_every_string():
    client = potsdb.Client("localhost", host_tag=None, check_host=False, test_mode=True)
    metric, path, names = fresh("some.metric"), fresh("/some/path"), {fresh("some_name"): fresh("value")}
    (name,) = names
    held = [metric, path, name, names[name]]
    before = [sys.getrefcount(text) for text in held]
    for n in range(1000):
        client.send(metric, n, path=path, **names, timestamp=TIME + n)
    during = [sys.getrefcount(text) for text in held]
    assert all(1 <= now - then <= 4 for now, then in zip(during, before, strict=True)), (before, during)
    reference = weakref.ref(client)
    client.stop()
    del client
    gc.collect()
    assert reference() is None
    assert [sys.getrefcount(text) for text in held] == before


def test_what_is_refused_is_refused_each_time(server, clock):
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    for _ in range(OFTEN):
        assert client.send("m", 1, a="b c", timestamp=clock()) is None
        with pytest.raises(AssertionError):
            client.send("m m", 1, a="b", timestamp=clock())
        with pytest.raises(AssertionError):
            client.send("m", 1, timestamp=clock())
    # Only the time makes it too long.
    path = "x" * (1024 - len(line("m", 1, TIME, {"a": ""}).rstrip()))
    for _ in range(OFTEN):
        assert client.send("m", 1, a=path, timestamp=clock()) is not None
        assert client.send("m", 1, a=path, timestamp=clock() * 1000) is None
    assert client.stats().invalid == 4 * OFTEN
    stats = client.close(10)
    assert stats.accepted == OFTEN
    for _ in range(OFTEN):
        with pytest.raises(AssertionError, match="closed"):
            client.send("m", 1, a=path, timestamp=clock())


def test_repairs_are_made_and_counted_each_time(server, clock):
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False, invalid="replace")
    for _ in range(OFTEN):
        time = clock()
        assert client.send("m", 1, a="b c", timestamp=time) == line("m", 1, time, {"a": "b_c"})
    assert client.close(10).replaced == OFTEN


def test_names_beyond_ascii_come_back_as_they_are(server, clock):
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False, names="utf8")
    for _ in range(OFTEN):
        time = clock()
        assert client.send("zürich", 1, a="日本", timestamp=time) == line("zürich", 1, time, {"a": "日本"})
    assert client.close(10).accepted == OFTEN


def test_a_send_from_within_a_send_is_a_send(client, clock):
    """`__str__` and `__float__` of foreign objects run in the middle of a call, known site or not."""

    class Sends:
        def __float__(self) -> float:
            inner.append(client.send("inner", 1, a="x", timestamp=clock()))
            return 2.5

        __str__ = lambda self: str(self.__float__())  # noqa: E731

    inner: list[str | None] = []
    for _ in range(OFTEN):
        time = clock()
        assert client.send("outer", Sends(), a="x", timestamp=time) == line("outer", 2.5, time, {"a": "x"})
        time = clock()
        assert client.send("outer", 1, a=Sends(), timestamp=time) == line("outer", 1, time, {"a": 2.5})
    assert all(inner) and len(inner) == 2 * OFTEN


def test_a_forked_child_remembers_its_own_times(run, server):
    """A site of the parent's and a string of the child's own are one series in the child, too."""
    script = """
    import logging, os, sys
    import potsdb
    logging.disable()  # it is said of each repeat, at times
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    def send(time, path):
        return client.send("m", 1, path=path, timestamp=time)
    path = "/login"
    for n in range(6):
        assert send(1600000000 + n, path)
    series = client.series("m", path="/login")
    child = os.fork()
    if child == 0:
        for n in range(6):
            # The parent's times are the parent's.
            assert send(1600000000 + n, path)
            assert not send(1600000000 + n, "".join(list(path)))
            assert not send(1600000000 + n, path)
            assert not series.send(1, 1600000000 + n)
        assert client.stats().accepted == 6
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not send(1600000005, path)
    """
    out, err = run(script, server.port, options=("-W", "ignore:This process:DeprecationWarning"))
    assert (out, err) == ("", "")
