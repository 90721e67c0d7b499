"""The class with the calls of statsd's client: code that swaps the import runs, and what it counts arrives."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from datetime import timedelta

import pytest
from server import PATIENCE
from test_instruments import stored

from potsdb.statsd import Pipeline, StatsClient, Timer

real = pytest.importorskip("statsd", reason="statsd is not installed: python/test-requirements.txt names it")


@pytest.fixture
def statsd(client) -> StatsClient:
    return StatsClient(client=client, prefix="web", tags={"dc": "eu"}, interval=3600)


def public(of: type) -> list[str]:
    return [name for name in dir(of) if not name.startswith("_")]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(StatsClient, real.StatsClient), (Pipeline, real.client.udp.Pipeline), (Timer, real.client.timer.Timer)],
    ids=["client", "pipeline", "timer"],
)
def test_every_call_of_the_real_client_is_taken(ours, theirs):
    for name in [*public(theirs), "__init__", "__call__", "__enter__", "__exit__"]:
        if not hasattr(theirs, name) or (name == "__call__" and ours is not Timer) or (name == "close" and ours is Pipeline):
            continue  # the pipeline's close raises NotImplementedError
        wanted = inspect.signature(getattr(theirs, name)).parameters.values()
        mine = inspect.signature(getattr(ours, name)).parameters
        taken = [each for each in mine.values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        if name == "__init__" and ours is Pipeline:
            continue
        assert [each.name for each in taken] == [each.name for each in wanted], name
        for each in wanted:
            if (name, each.name) != ("__init__", "port"):  # whose server is another one
                assert mine[each.name].default == each.default, (name, each.name)


def test_all_calls_arrive(statsd, client, server):
    statsd.incr("hits")
    statsd.incr("hits", 4, rate=0.001)
    statsd.incr("hits", count=0.5)
    statsd.decr("open", 2)
    statsd.incr("open", -1)
    statsd.incr("open")
    statsd.gauge("load", 7)
    statsd.gauge("load", -3, delta=True)
    statsd.gauge("negative", -4)
    statsd.timing("took", 320)
    statsd.timing("took", timedelta(seconds=1.5), rate=0.001)
    for user in ("ann", "bob", "ann", 7):
        statsd.set("users", user, rate=0.5)
    statsd.close()
    assert client.flush(PATIENCE)
    values = stored(server)
    assert {name.removesuffix(" dc=eu"): each for name, each in values.items() if ".p" not in name} == {
        "web.hits": [0, 5.5],
        "web.open.decr": [0, 3],
        "web.open": [0, 1],
        "web.load": [4],
        "web.negative": [-4],
        "web.took.count": [0, 2],
        "web.took.sum": [0, 1820],
        "web.took.min": [320],
        "web.took.max": [1500],
        "web.users": [3],
    }


def test_a_call_may_have_tags_of_its_own(statsd, client, server):
    for path in ("/a", "/b", "/a"):
        statsd.incr("hits", tags={"path": path})
        statsd.set("users", path, tags={"path": path})
    statsd.close()
    client.flush(PATIENCE)
    assert stored(server) == {
        "web.hits dc=eu path=/a": [0, 2],
        "web.hits dc=eu path=/b": [0, 1],
        "web.users dc=eu path=/a": [1],
        "web.users dc=eu path=/b": [1],
    }


def test_sets_are_counted_anew_in_each_interval(statsd, client, server):
    for users in (["ann", "bob"], ["ann"], []):
        for user in users:
            statsd.set("users", user)
        statsd._sets._ticks.now()
    client.flush(PATIENCE)
    assert stored(server) == {"web.users dc=eu": [2, 1, 0]}
    statsd.close()


def test_a_timer_measures_blocks_functions_coroutines_and_by_hand(statsd, client, server):
    timer = statsd.timer("took")

    @timer
    def double(n: int) -> int:
        """Twice."""
        return 2 * n

    @statsd.timer("took", rate=0.01)
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    assert (double(4), double.__name__, double.__doc__) == (8, "double", "Twice.")
    assert asyncio.iscoroutinefunction(later) and asyncio.run(later(4)) == 8
    assert timer(functools.partial(double, 4))() == 8
    with timer as same:
        assert same is timer and timer.ms is None
    assert timer.ms is not None and timer.ms >= 0
    with pytest.raises(RuntimeError, match="Already sent data"):
        timer.send()
    by_hand = statsd.timer("took").start()
    assert by_hand.stop(send=False) is by_hand
    by_hand.send()
    for call in (statsd.timer("took").stop, statsd.timer("took").send):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(ZeroDivisionError), timer:
        raise ZeroDivisionError
    client.flush(PATIENCE)
    assert stored(server)["web.took.count dc=eu"] == [0, 7]


def test_decorated_functions_that_overlap_in_threads_have_their_own_times(statsd, client, server):
    entered, leave = threading.Event(), threading.Event()

    @statsd.timer("took")
    def work(first: bool) -> None:
        if first:
            entered.set()
            assert leave.wait(PATIENCE)

    thread = threading.Thread(target=work, args=(True,))
    thread.start()
    assert entered.wait(PATIENCE)
    work(False)
    leave.set()
    thread.join()
    client.flush(PATIENCE)
    values = stored(server)
    assert values["web.took.count dc=eu"] == [0, 2] and values["web.took.min dc=eu"] < values["web.took.max dc=eu"]


def test_a_pipeline_counts_when_it_is_sent(statsd, client, server):
    with statsd.pipeline() as pipeline:
        pipeline.incr("hits", 3)
        pipeline.decr("hits")
        pipeline.gauge("load", 1)
        pipeline.set("users", "ann")
        with pipeline.timer("took"):
            pass
        nested = pipeline.pipeline()
        nested.incr("hits")
        nested.send()
        client.flush(PATIENCE)
        assert server.text == []
    pipeline.send()
    statsd.close()
    client.flush(PATIENCE)
    values = stored(server)
    assert values["web.hits dc=eu"] == [0, 4] and values["web.hits.decr dc=eu"] == [0, 1]
    assert values["web.took.count dc=eu"] == [0, 1] and values["web.users dc=eu"] == [1]


def test_no_call_raises_for_a_name_and_a_timing_may_have_that_of_a_counter(client, server, caplog):
    statsd = StatsClient(client=client, interval=3600)
    statsd.incr("a b")  # without any tag
    statsd.gauge("x", 1, tags={"a": "b"})
    statsd.incr("x", tags={"a": "b"})
    statsd.timing("x", 1, tags={"a": "b"})
    statsd.set("y", 1)
    statsd.incr("p:q", tags={"a": "{b}"})
    statsd.close()
    client.flush(PATIENCE)
    values = stored(server)
    assert values["x a=b"] == [1] and values["x.count a=b"] == [0, 1] and values["p_q a=_b_"] == [0, 1]
    assert "'a_b'" in caplog.text or "'a b'" in caplog.text
    assert 'metric "x" is a gauge already' in caplog.text and "metric 'y' is not sent" in caplog.text


def test_it_makes_a_client_of_a_host_or_a_url_and_closes_it(server):
    for arguments in (("127.0.0.1", server.port), (f"tsdb://127.0.0.1:{server.port}",)):
        statsd = StatsClient(*arguments, interval=3600)
        statsd.incr("hits")
        statsd.close()
        statsd._client.wait()
    assert [line.split()[3] for line in server.text] == ["0", "1"] * 2


def test_a_client_that_was_given_stays_open(statsd, client):
    statsd.close()
    statsd.incr("hits")
    assert not client._is_closed


def test_a_set_in_a_forked_child_is_its_own(run, server):
    script = """
    import os, sys
    import potsdb
    from potsdb.statsd import StatsClient
    statsd = StatsClient("127.0.0.1", int(sys.argv[1]), tags={"dc": "eu"}, interval=3600)
    for user in range(5): statsd.set("users", user)
    child = os.fork()
    if child == 0:
        statsd.set("users", "child")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    """
    run(script, server.port, options=("-W", "ignore"))
    assert [line.split()[3] for line in server.text] == ["1", "5"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_set_in_a_child_of_multiprocessing_arrives(run, server, method):
    # Such a child ends in os._exit: what is sent last has a hook of its own there.
    script = """
    import multiprocessing, sys
    from potsdb.statsd import StatsClient

    def work():
        statsd = StatsClient("127.0.0.1", int(sys.argv[1]), interval=3600)
        statsd.set("users", "child")

    if __name__ == "__main__":
        child = multiprocessing.get_context(sys.argv[2]).Process(target=work)
        child.start()
        child.join()
        assert child.exitcode == 0
    """
    run(script, server.port, method, options=("-W", "ignore"))
    assert [line.split()[1:4:2] for line in server.text] == [["users", "1"]]


def test_the_signature_of_the_client_says_its_own_port():
    assert inspect.signature(StatsClient).parameters["port"].default == 4242
