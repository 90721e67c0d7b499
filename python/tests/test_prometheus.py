"""The bridge from prometheus_client: what it must do better than a bridge that prints everything once a minute."""

from __future__ import annotations

import ast
import asyncio
import os
import threading
import time
import warnings

import pytest
from server import PATIENCE, until

import potsdb
from potsdb._names import escape, naming, replace

pytest.importorskip("prometheus_client", reason="prometheus_client is not installed: python/test-requirements.txt names it")

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary  # noqa: E402
from prometheus_client.core import GaugeMetricFamily, Metric  # noqa: E402

from potsdb._turns import Turns  # noqa: E402
from potsdb.prometheus import Bridge  # noqa: E402


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


class Collector:
    """A collector of gauges, or one that fails."""

    def __init__(self, *samples: tuple, error: Exception | None = None) -> None:
        self.samples, self.error = samples, error

    def collect(self):
        for name, labels, value, *at in self.samples:
            metric = Metric(name, "Text.", "gauge")
            metric.add_sample(name, labels, value, *at)
            yield metric
        if self.error:
            raise self.error


def arrived(client, server) -> list[str]:
    """What arrived, in order and without times."""
    assert client.flush(PATIENCE)
    return [" ".join([metric, value, *tags]) for _, metric, _, value, *tags in map(str.split, server.text)]


def times(server, metric: str) -> list[int]:
    return [int(line.split()[2]) for line in server.text if line.split()[1] == metric]


def test_everything_that_a_program_can_make_arrives_under_its_name(client, server, registry):
    Counter("hits", "x", ["path"], registry=registry).labels("/login").inc(2.5)
    Gauge("load", "x", ["path"], registry=registry).labels("/login").set(7)
    Summary("sizes", "x", ["path"], registry=registry).labels("/login").observe(3)
    Info("build", "x", registry=registry).info({"version": "1.2+g3"})
    Enum("state", "x", registry=registry, states=["up", "down"]).state("up")
    Histogram("took", "x", ["path"], registry=registry, buckets=[0.1, 1, 10]).labels("/login").observe(0.5)
    registry.set_target_info({"service": "web"})
    assert Bridge(client, registry, tags={"dc": "eu"}).push() == 23
    assert sorted(arrived(client, server)) == sorted(
        [
            "target_info 1 dc=eu service=web",
            "hits_total 0 dc=eu path=/login",
            "hits_total 2.5 dc=eu path=/login",
            "load 7 dc=eu path=/login",
            "sizes_count 0 dc=eu path=/login",
            "sizes_count 1 dc=eu path=/login",
            "sizes_sum 0 dc=eu path=/login",
            "sizes_sum 3 dc=eu path=/login",
            "build_info 1 dc=eu version=1.2_g3",
            "state 1 dc=eu state=up",
            "state 0 dc=eu state=down",
            *[f"took_bucket {n} dc=eu path=/login le={le}" for le, m in [("0.1", 0), ("1", 1), ("10", 1), ("inf", 1)] for n in (0, m)],
            *[f"took_{name} {n} dc=eu path=/login" for name in ("count", "sum") for n in (0, {"count": 1, "sum": 0.5}[name])],
        ]
    )


def test_created_series_are_sent_when_asked_for(client, server, registry):
    Counter("hits", "x", ["a"], registry=registry).labels("b").inc()
    Bridge(client, registry, created=True).push()
    assert [line.split()[0] for line in arrived(client, server)] == ["hits_total", "hits_total", "hits_created"]


def test_a_prefix_goes_before_every_name(client, server, registry):
    Gauge("load", "x", ["a"], registry=registry).labels("b").set(1)
    bridge = Bridge(client, registry)
    bridge.push("web")
    bridge.push(prefix="")
    assert arrived(client, server) == ["web.load 1 a=b", "load 1 a=b"]
    # That of a push is none of the ticks'.
    bridge.start(3600, "ticks")
    bridge.push("mine")
    bridge.stop()
    assert arrived(client, server)[2:] == ["mine.load 1 a=b", "ticks.load 1 a=b"]


def test_numbers_that_are_none_are_left_out_and_counted(client, server, registry):
    values = [float("nan"), float("inf"), -0.0, 2.0**60, 1e300, 0.25, 7, True]
    registry.register(Collector(*[("m", {"n": str(n)}, value) for n, value in enumerate(values)]))
    bridge = Bridge(client, registry)
    for _ in range(2):
        assert bridge.push() == 6
    assert bridge.stats()["not_finite"] == 4
    assert [line.split()[1] for line in arrived(client, server)] == ["0", "1152921504606846976", "1.0e300", "0.25", "7", "1"] * 2


def test_an_error_of_one_collector_costs_that_collector_alone(client, server, registry, caplog):
    registry.register(Collector(("first", {"a": "b"}, 1), error=LookupError("no disk")))
    registry.register(Collector(("second", {"a": "b"}, 2)))
    bridge = Bridge(client, registry)
    for _ in range(3):
        bridge.push()
    assert arrived(client, server) == ["first 1 a=b", "second 2 a=b"] * 3
    assert bridge.stats()["collector_errors"] == 3
    assert caplog.text.count("test_prometheus.Collector failed, and its metrics were not pushed: LookupError: no disk") == 1


def test_a_collector_whose_task_was_cancelled_costs_itself_alone(client, server, registry):
    registry.register(Collector(("first", {"a": "b"}, 1), error=asyncio.CancelledError()))
    registry.register(Collector(("second", {"a": "b"}, 2)))
    bridge = Bridge(client, registry)
    bridge.push()
    assert arrived(client, server) == ["first 1 a=b", "second 2 a=b"] and bridge.stats()["collector_errors"] == 1


def test_what_is_no_client_is_told_at_once(registry):
    with pytest.raises(TypeError, match="client: 'tsd' is no potsdb.Client"):
        Bridge("tsd", registry)


def test_what_is_no_registry_of_the_library_is_asked_as_a_whole(client, server):
    assert Bridge(client, Collector(("m", {"a": "b"}, 1))).push() == 1
    assert arrived(client, server) == ["m 1 a=b"]


def test_samples_with_a_time_of_their_own_keep_it_and_are_sent_once(client, server, registry):
    family = GaugeMetricFamily("m", "x", labels=["a"])
    family.add_metric(["b"], 1, timestamp=1500000000.7)
    samples = [Collector(("n", {"a": "b"}, 1, 1500000000.2))]
    registry.register(samples[0])
    registry.register(type("One", (), {"collect": lambda self: [family]})())
    bridge = Bridge(client, registry)
    assert [bridge.push() for _ in range(3)] == [2, 0, 0] and client.stats().repeated == 0
    samples[0].samples = (("n", {"a": "b"}, 2, 1500000010),)
    assert bridge.push() == 1
    assert arrived(client, server) == ["n 1 a=b", "m 1 a=b", "n 2 a=b"]
    assert times(server, "n") == [1500000000, 1500000010] and times(server, "m") == [1500000000]


def test_one_push_has_one_time_and_the_next_one_a_later_second(client, server, registry):
    for n in range(5):
        Gauge(f"m{n}", "x", ["a"], registry=registry).labels("b").set(n)
    bridge = Bridge(client, registry)
    assert [bridge.push() for _ in range(3)] == [5, 5, 5]
    seen = [times(server, f"m{n}") for n in range(5)] if client.flush(PATIENCE) else []
    assert all(each == seen[0] for each in seen) and sorted(set(seen[0])) == seen[0]


def test_a_total_begins_with_a_zero_and_no_push_repeats_a_time(client, server, registry):
    hits = Counter("hits", "x", ["a"], registry=registry).labels("b")
    bridge = Bridge(client, registry)
    for _ in range(3):
        hits.inc()
        bridge.push()
    assert arrived(client, server) == [f"hits_total {n} a=b" for n in range(4)]
    assert client.stats().repeated == 0


def test_pushes_without_end_stay_near_the_present(client, registry):
    Gauge("m", "x", ["a"], registry=registry).labels("b").set(1)
    bridge = Bridge(client, registry)
    began = time.time()
    pushes = sum(bridge.push() for _ in range(100))
    assert pushes <= 7 + (time.time() - began)


def test_names_are_replaced_or_escaped_and_those_that_fall_together_are_told(client, server, registry, caplog):
    for name in ("a:b", "a_b"):
        registry.register(Collector((name, {"path": "/users/{id}"}, 1)))
    bridge = Bridge(client, registry)
    assert [bridge.push(), bridge.push()] == [1, 1]
    assert arrived(client, server) == ["a_b 1 path=/users/_id_"] * 2
    assert bridge.stats()["merged"] == 1 and "metric 'a_b': two series of the source have one name here" in caplog.text
    assert Bridge(client, registry, names="escape").push() == 2
    assert arrived(client, server)[2:] == ["a_.b 1 path=/users/_7Bid_7D", "a__b 1 path=/users/_7Bid_7D"]


@pytest.mark.parametrize("name", ["web.requests", "web_requests", "ns:web", "/users/{id}", "zürich", "", "a b", "€_:"])
def test_names_become_what_instruments_make_of_them(offline, name):
    for mode, made in (("replace", replace(name)), ("escape", escape(name))):
        of = potsdb.Instruments(offline, names=mode)
        of.describe(name, "x", "y")
        assert list(of.descriptions()) == [made] == [naming(mode)(name)]


def test_an_empty_label_is_none_and_a_series_without_tags_is_refused_and_told(client, server, registry, caplog):
    registry.register(Collector(("m", {"a": "", "b": "c"}, 1), ("n", {"a": ""}, 1)))
    bridge = Bridge(client, registry)
    assert [bridge.push(), bridge.push()] == [1, 1]
    assert arrived(client, server) == ["m 1 b=c"] * 2
    assert bridge.stats()["refused"] == 1 and "metric 'n' is not sent" in caplog.text


@pytest.mark.parametrize("buckets", ["percentiles", "none"])
def test_buckets_become_percentiles_of_the_time_since_the_last_push_or_nothing(client, server, registry, buckets):
    took = Histogram("took", "x", ["a"], registry=registry, buckets=[1, 2, 3]).labels("b")
    bridge = Bridge(client, registry, buckets=buckets, quantiles=[0.5])
    took.observe(0.5)
    bridge.push()
    for _ in range(10):
        took.observe(2.5)
    bridge.push()
    bridge.push()
    values = [line.split()[1] for line in arrived(client, server) if line.startswith("took ")]
    assert values == (["0.5", "2.5"] if buckets == "percentiles" else [])
    assert not any(line.startswith("took_bucket") for line in arrived(client, server))


def test_series_that_the_registry_no_longer_has_are_forgotten(client, registry):
    gauge = Gauge("m", "x", ["a"], registry=registry)
    bridge = Bridge(client, registry)
    for n in range(3000):
        gauge.labels(n).set(1)
    bridge.push()
    assert bridge.stats()["cached"] == 3000
    gauge.clear()
    gauge.labels("new").set(1)
    bridge.push()
    assert bridge.stats()["cached"] == 1


def threads() -> int:
    return sum(thread.name == "potsdb-bridge" for thread in threading.enumerate())


def test_there_is_never_a_second_thread_and_none_after_stop(client, server, registry):
    load = Gauge("load", "x", ["a"], registry=registry).labels("b")
    bridge = Bridge(client, registry)
    bridge.stop()
    for interval in (3600, 3600, 1800):
        bridge.start(interval)
        assert threads() == 1
    load.set(7)
    bridge.stop()
    bridge.stop()
    assert threads() == 0
    assert arrived(client, server) == ["load 7 a=b"]
    bridge.start()
    load.set(8)
    with bridge:
        pass
    assert threads() == 0 and arrived(client, server)[1:] == ["load 8 a=b"]


def test_many_that_start_and_stop_at_once_leave_no_thread(client, registry):
    bridge = Bridge(client, registry)

    def work() -> None:
        for _ in range(20):
            bridge.start(3600)
            bridge.stop()

    several = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in several]
    [thread.join() for thread in several]
    assert threads() == 0


def test_ticks_are_at_multiples_of_the_interval(client, server, registry):
    Gauge("load", "x", ["a"], registry=registry).labels("b").set(7)
    with Bridge(client, registry) as bridge:
        bridge.start(2)
        server.wait_for(2)
    client.flush(PATIENCE)
    assert [at % 2 for at in times(server, "load")[:2]] == [0, 0]


def test_a_closing_client_gets_the_last_state_first(client, server, registry):
    load = Gauge("load", "x", ["a"], registry=registry).labels("b")
    Bridge(client, registry).start(3600)
    load.set(7)
    client.close(PATIENCE)
    assert server.text[-1].split()[3] == "7" and threads() == 0


def test_a_push_after_the_close_says_so_and_ticks_end(client, registry):
    Gauge("load", "x", ["a"], registry=registry).labels("b").set(1)
    bridge = Bridge(client, registry)
    bridge.push()
    client.close(PATIENCE)
    with pytest.raises(potsdb.Closed):
        bridge.push()
    bridge.start(1)
    until(lambda: threads() == 0)
    bridge.stop()


def test_a_collector_may_stop_the_bridge_that_asks_it(client, server, registry):
    class Stops(Collector):
        def collect(self):
            bridge.stop()
            return super().collect()

    registry.register(Stops(("m", {"a": "b"}, 1)))
    bridge = Bridge(client, registry)
    bridge.start(1)
    until(lambda: threads() == 0)
    assert "m 1 a=b" in arrived(client, server)
    bridge.start(3600)
    bridge.push()
    assert threads() == 0


def test_a_signal_that_closes_the_client_amid_a_push_does_not_wait_for_it(client, server, registry, caplog):
    class Interrupted(Collector):
        def collect(self):
            # A handler of a signal runs on the thread that is in the push. It comes once.
            if closes:
                closes.pop()()
            return super().collect()

    closes = [client.close]
    registry.register(Interrupted(("m", {"a": "b"}, 1)))
    bridge = Bridge(client, registry)
    bridge.start(3600)
    with pytest.raises(potsdb.Closed):
        bridge.push()
    assert "m 1 a=b" in arrived(client, server) and "the one before goes on" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"buckets": "all"}, 'buckets: "all" is unknown: le, percentiles or none is allowed'),
        ({"names": "ascii"}, 'names: "ascii" is unknown: refuse, replace or escape is allowed'),
    ],
)
def test_settings_that_make_no_sense_are_refused(offline, settings, said):
    with pytest.raises(potsdb.ConfigError) as error:
        Bridge(offline, **settings)
    assert str(error.value) == said
    with pytest.raises(potsdb.ConfigError, match=r"interval: 0\.5 is less than a second"):
        Bridge(offline).start(0.5)


# -- several processes that count in one folder

COUNTING = """
    import os, sys
    import potsdb
    from prometheus_client import Counter, Histogram
    from potsdb.prometheus import Bridge
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag="h", check_host=False)
    hits = Counter("hits", "Hits.")
    took = Histogram("took", "Took.", buckets=[1])
    bridge = Bridge(client)
    bridge.start(1)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "counts").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "counts"))
    return tmp_path / "counts"


def totals(server, metric: str = "hits_total") -> list[int]:
    points = sorted((int(at), int(value)) for _, name, at, value, *_ in map(str.split, server.text) if name == metric)
    assert len({at for at, _ in points}) == len(points), "no second has two values"
    return [value for _, value in points]


def test_the_sum_of_forked_children_arrives_from_whoever_ends_last(run, server, folder):
    script = COUNTING + """
    children = []
    for n in range(5):
        child = os.fork()
        if child == 0:
            for _ in range(1000): hits.inc(); took.observe(n)
            sys.exit()
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    """
    _, err = run(script, server.port, options=("-W", "ignore"))
    assert err == ""
    assert totals(server)[-1] == 5000 and sorted(totals(server)) == totals(server)
    assert totals(server, "took_count")[-1] == 5000


def test_the_last_of_processes_that_end_at_once_has_pushed_everything(start, server, folder):
    script = COUNTING + """
    for _ in range(100): hits.inc()
    print("counted", flush=True)
    sys.stdin.readline()
    """
    children = [start(script, server.port) for _ in range(4)]
    assert [child.line() for child in children] == ["counted"] * 4
    for child in children:
        child.say("end")
    for child in children:
        assert child.finish()[0] == 0
    assert totals(server)[-1] == 400


def test_when_the_one_that_pushes_is_killed_another_one_pushes(start, server, folder):
    script = COUNTING + """
    hits.inc()
    assert bridge.push() >= 0
    print(bridge.stats()["pushes"], flush=True)
    sys.stdin.readline()
    """
    first = start(script, server.port)
    assert first.line() != "0"
    second = start(script, server.port)
    assert second.line() == "0", "it has not the turn"
    first.process.kill()
    first.finish()
    before = len(server.lines)
    server.wait_until(lambda: len(server.lines) > before + 3)
    second.say("end")
    assert second.finish()[0] == 0
    assert totals(server)[-1] == 2


def test_one_that_stopped_leaves_the_turn_to_others(start, server, folder):
    script = COUNTING + """
    hits.inc()
    bridge.push()
    bridge.stop()
    print(bridge.stats()["pushes"] > 0, flush=True)
    sys.stdin.readline()
    """
    children = []
    for _ in range(2):
        children.append(start(script, server.port))
        assert children[-1].line() == "True"
    for child in children:
        child.say("end")
        assert child.finish()[0] == 0
    assert totals(server)[-1] == 2


def elsewhere(work) -> object:
    """What `work` gives in a process of its own."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, "rb") as answer:
        return ast.literal_eval(answer.read().decode())


def test_one_that_ends_while_another_pushes_for_the_last_time_is_not_forgotten(folder):
    mine = Turns(str(folder), "h.4242")
    assert mine.take()
    pushes = []

    def push() -> int:
        pushes.append(0)
        if len(pushes) == 1:
            # It counted after this push had read the folder, and has not the turn.
            assert elsewhere(lambda: Turns(str(folder), "h.4242").finish(lambda: 1 / 0)) == 0
        return 1

    assert mine.finish(push) == 2 and len(pushes) == 2
    assert elsewhere(lambda: Turns(str(folder), "h.4242").finish(lambda: 7)) == 7, "the turn was given back"


def test_a_folder_that_was_cleared_is_pushed_by_one_again(folder):
    mine = Turns(str(folder), "h.4242")
    assert mine.take() and mine.take()
    for path in folder.iterdir():
        path.unlink()
    assert mine.take(), "the file is made anew"
    assert elsewhere(lambda: Turns(str(folder), "h.4242").take()) is False
    mine._give_back()
    assert elsewhere(lambda: Turns(str(folder), "h.4242").take()) is True


def test_a_registry_of_this_process_alone_is_pushed_by_itself(client, server, folder, registry):
    Gauge("load", "x", ["a"], registry=None).labels("b").set(1)
    registry.register(Collector(("m", {"a": "b"}, 1)))
    assert Bridge(client, registry).push() == 1
    assert not list(folder.glob("potsdb.*"))


def test_two_servers_have_one_that_pushes_each(client, server, folder, registry):
    with potsdb.Client("localhost", check_host=False, test_mode=True) as other:
        bridges = [Bridge(client), Bridge(other)]
        assert [bridge.push() >= 0 for bridge in bridges] == [True, True]
        assert len(list(folder.glob("potsdb.*.lock"))) == 2
        assert [bridge.stats()["pushes"] for bridge in bridges] == [1, 1]
