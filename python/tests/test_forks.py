"""fork: the child starts empty and delivers its own, the parent notices nothing, no point goes twice."""

from __future__ import annotations

import collections

import pytest

HEAD = """
    import os, sys, threading
    import potsdb
    port = int(sys.argv[1])
    client = potsdb.Client("127.0.0.1", port, host_tag=None, check_host=False)
    def send(who, points=1000):
        for i in range(points):
            client.send(who, i, a=1, timestamp=1500000000 + i)
"""


@pytest.fixture
def run(run):
    """Python 3.12 and later warn of every fork of a process with threads: of what is tested here."""
    return lambda *arguments: run(*arguments, options=("-W", "ignore:This process:DeprecationWarning"))


def count(server) -> dict[str, int]:
    """Points per metric; a line that came twice is an error."""
    assert len(set(server.lines)) == len(server.lines)
    return dict(collections.Counter(line.split()[1] for line in server.text))


def test_parent_and_child_deliver_their_own_points_once(run, server):
    script = HEAD + """
    send("parent.before")
    child = os.fork()
    if child == 0:
        send("child")
        sys.exit()
    send("parent.after", 500)
    assert os.waitpid(child, 0)[1] == 0
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent.before": 1000, "parent.after": 500, "child": 1000}


def test_what_the_parent_closed_is_closed_in_the_child(run, server):
    script = HEAD + """
    stopped = potsdb.Client("127.0.0.1", port, host_tag=None, check_host=False)
    send("parent")
    client.close()
    stopped.stop()
    child = os.fork()
    if child == 0:
        try:
            client.send("child", 1, a=1)
        except AssertionError as error:
            assert "closed" in str(error), error
        else:
            raise SystemExit("a closed client took a point")
        assert stopped.send("child", 1, a=1) is not None
        assert stopped.stats().dropped_stopped == 1
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    client.wait()
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 1000}


def test_the_childs_statistics_begin_at_nothing(run, server):
    script = HEAD + """
    send("parent")
    child = os.fork()
    if child == 0:
        assert client.t.is_alive() and not client.done.is_set()
        client.send("child", 1, a=1)
        assert client.stats().accepted == 1, client.stats().as_dict()
        client.wait()
        assert client.stats().acknowledged == 1
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    client.wait()
    assert client.stats().acknowledged == 1000
    """
    run(script, server.port)
    assert count(server) == {"parent": 1000, "child": 1}


def test_a_child_that_sends_nothing_changes_nothing(run, server):
    script = HEAD + """
    send("parent", 20000)
    children = [os.fork() for _ in range(1)]
    if children[0] == 0:
        sys.exit()
    os.waitpid(children[0], 0)
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 20000}


def test_a_child_may_drop_its_parents_client(run, server):
    script = HEAD + """
    send("parent")
    child = os.fork()
    if child == 0:
        del client
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    send("more", 10)
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 1000, "more": 10}


def test_a_child_may_close_stop_and_flush_its_parents_client(run, server):
    script = HEAD + """
    send("parent")
    for end in ["client.close()", "client.stop()", "client.wait()", "client.flush()", "client.close(5)"]:
        child = os.fork()
        if child == 0:
            exec(end)
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
    send("more", 10)
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 1000, "more": 10}


def test_a_series_works_in_the_child(run, server):
    script = HEAD + """
    series = client.series("series", a=1)
    series.send(1, 1500000000)
    child = os.fork()
    if child == 0:
        assert series.send(2, 1500000001)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"series": 2}


def test_a_grandchild_delivers(run, server):
    script = HEAD + """
    send("parent", 10)
    if (child := os.fork()) == 0:
        send("child", 10)
        if (grandchild := os.fork()) == 0:
            send("grandchild", 10)
            sys.exit()
        os.waitpid(grandchild, 0)
        sys.exit()
    os.waitpid(child, 0)
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 10, "child": 10, "grandchild": 10}


def test_fifty_forks_while_another_thread_is_inside_send(run, server):
    script = HEAD + """
    stop = threading.Event()
    sent = 0
    def work():
        global sent
        while not stop.is_set():
            client.send("thread", sent, a=1, timestamp=1500000000 + sent)
            sent += 1
    thread = threading.Thread(target=work)
    thread.start()
    for i in range(50):
        child = os.fork()
        if child == 0:
            client.send(f"child.{i}", 1, a=1)
            assert client.flush(20)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, i
    stop.set()
    thread.join()
    client.wait()
    stats = client.stats()
    assert stats.accepted == sent == stats.delivered + stats.dropped_queue_full, stats.as_dict()
    print(stats.delivered)
    """
    out, _ = run(script, server.port)
    seen = count(server)
    assert seen.pop("thread") == int(out)
    assert seen == {f"child.{i}": 1 for i in range(50)}


def test_a_fork_while_another_thread_waits(run, server):
    script = HEAD + """
    send("parent")
    waiting = threading.Thread(target=client.flush)
    waiting.start()
    child = os.fork()
    if child == 0:
        send("child")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    waiting.join()
    """
    run(script, server.port)
    assert count(server) == {"parent": 1000, "child": 1000}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_deliver_at_their_end(run, server, method):
    script = """
    import multiprocessing, sys
    import potsdb

    def work(port, who):
        mine = potsdb.Client("127.0.0.1", port, host_tag=None, check_host=False)
        for i in range(1000):
            mine.send(who, i, a=1, timestamp=1500000000 + i)

    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[2])
        children = [context.Process(target=work, args=(int(sys.argv[1]), f"child.{n}")) for n in range(3)]
        for child in children:
            child.start()
        work(int(sys.argv[1]), "parent")
        for child in children:
            child.join()
            assert child.exitcode == 0
    """
    _, err = run(script, server.port, method)
    assert err == ""
    assert count(server) == {"parent": 1000, "child.0": 1000, "child.1": 1000, "child.2": 1000}


def test_multiprocessing_children_use_their_parents_client(run, server):
    script = """
    import sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    import multiprocessing

    def work(who):
        for i in range(1000):
            client.send(who, i, a=1, timestamp=1500000000 + i)

    work("parent")
    children = [multiprocessing.get_context("fork").Process(target=work, args=(f"child.{n}",)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"parent": 1000, "child.0": 1000, "child.1": 1000, "child.2": 1000}


def test_the_workers_of_a_pool_deliver_when_it_is_closed(run, server):
    script = """
    import multiprocessing, os, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)

    def work(n):
        client.send("pool", n, n=n)

    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(work, range(500))
    pool.close()
    pool.join()
    """
    _, err = run(script, server.port)
    assert err == ""
    assert count(server) == {"pool": 500}


def test_billiard_children_deliver_at_their_end(run, server):
    pytest.importorskip("billiard")
    script = """
    import billiard, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)

    def work():
        for i in range(1000):
            client.send("child", i, a=1, timestamp=1500000000 + i)

    child = billiard.Process(target=work)
    child.start()
    child.join()
    """
    run(script, server.port)
    assert count(server) == {"child": 1000}


def test_a_child_has_its_own_silence_of_the_log(run, server):
    script = HEAD + """
    assert client.send("m", 1, a="b c") is None
    child = os.fork()
    if child == 0:
        assert client.send("m", 1, a="b c") is None
        os._exit(0)
    os.waitpid(child, 0)
    """
    _, err = run(script, server.port)
    assert err.count("'m' not sent") == 2
