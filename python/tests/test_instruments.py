"""Gauge, counter, timer: each value that a program sets, adds or waits for is a point."""

from __future__ import annotations

import threading

import pytest

import potsdb


@pytest.fixture
def keeping(server):
    """A client that queues every point, also several of one second."""
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False, repeats="keep")
    yield client
    client.stop()


def values(server) -> list[str]:
    return [line.split()[3] for line in server.text]


def test_a_gauge_sends_what_it_is_set_to(keeping, server):
    gauge = keeping.gauge("load", host="web1")
    assert gauge.set(0.5) and gauge.set(2, 1600000000) and gauge.set("7", timestamp=1600000001)
    assert keeping.flush(10)
    assert values(server) == ["0.5", "2", "7"]
    assert server.text[1] == "put load 1600000000 2 host=web1\n"
    with pytest.raises(TypeError):
        gauge.set(object())


def test_a_counter_sends_its_total_from_any_thread(keeping, server):
    counter = keeping.counter("hits", path="/login")
    threads = [threading.Thread(target=lambda: [counter.add() for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.add(10) and counter.add(-3)
    assert counter.total == 2007
    assert keeping.flush(10)
    assert values(server) == [*map(str, range(1, 2001)), "2010", "2007"]
    with pytest.raises(OverflowError):
        counter.add(2**63 - 1)
    with pytest.raises(TypeError):
        counter.add(0.5)
    assert counter.total == 2007


def test_a_total_that_repeats_its_second_is_said_by_the_next(client, server):
    counter = client.counter("hits", path="/login")
    queued = [counter.add() for _ in range(100)]
    assert queued.count(True) <= 3 and counter.total == 100
    assert client.flush(10)
    assert len(server.text) == queued.count(True)


def test_a_timer_sends_the_seconds_of_each_block(keeping, server):
    timer = keeping.timer("latency", path="/login")
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with timer:
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    with timer as same, timer:
        assert same is timer
    with pytest.raises(ZeroDivisionError), timer:
        raise ZeroDivisionError
    leave.set()
    thread.join()
    assert keeping.flush(10)
    inner, outer, raised, others = map(float, values(server))
    assert 0 < inner <= outer < others
    assert 0 < raised < others
    with pytest.raises(RuntimeError):
        timer.__exit__(None, None, None)


def test_illegal_names_are_refused_as_a_series_are(client):
    with pytest.raises(AssertionError):
        client.gauge("no spaces", a=1)
    counter = client.counter("m", a="b c")
    assert counter.add() is False
    assert client.stats().invalid == 3
