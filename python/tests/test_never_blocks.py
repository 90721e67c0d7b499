"""A send from anywhere: a destructor, a log handler, a signal handler, many threads. Nothing waits for itself."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import weakref

import pytest
from server import PATIENCE, Server

import potsdb


def test_a_destructor_may_send(server, client):
    class Dying:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            client.send("died", 1, a=self.number)

    for i in range(1000):
        dying = Dying(i)
        dying.itself = dying
    del dying
    gc.collect()
    assert client.flush(PATIENCE)
    assert client.stats().accepted == len(server.lines) == 1000


def test_a_destructor_may_send_while_tags_are_printed(client):
    class Dying:
        def __del__(self) -> None:
            client.send("died", 1, a=1)

    class Printed:
        def __str__(self) -> str:
            dying = Dying()
            dying.itself = dying
            del dying
            gc.collect()
            return "printed"

    line = client.send("m", 1, a=Printed(), timestamp=1500000000)
    assert line == "put m 1500000000 1 a=printed\n"
    assert client.stats().accepted == 2


def test_a_log_handler_may_send(server):
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    seen = []

    class Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            client.send("log.records", len(seen), level=record.levelname, timestamp=1500000000 + len(seen))
            client.send("log.records", 1, bad="x y")

    handler = Sending()
    logger = logging.getLogger("potsdb")
    logger.addHandler(handler)
    try:
        potsdb._records._last.clear()
        assert client.send("m", 1, bad="x y") is None
    finally:
        logger.removeHandler(handler)
    assert len(seen) == 1, "no record from within a record"
    assert client.flush(PATIENCE)
    assert server.text == ["put log.records 1500000001 1 level=WARNING\n"]
    client.stop()


def test_a_broken_log_handler_does_not_break_the_send(monkeypatch):
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError

    client = potsdb.Client("127.0.0.1", 1, check_host=False)
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    monkeypatch.setattr(logging.getLogger("potsdb"), "handlers", [Broken()])
    potsdb._records._last.clear()
    assert client.send("m", 1, a="b c") is None
    assert len(unraisable) == 1
    client.stop()


def test_a_signal_handler_may_send(client):
    def handler(*_: object) -> None:
        client.send("signal", 1, a=1, timestamp=1500000000)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for _ in range(50):
            client.send("m", 1, a=1)
            signal.raise_signal(signal.SIGUSR1)
            client.flush(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert client.stats().accepted >= 2


def test_a_client_in_a_reference_cycle_is_collected_and_delivers(server):
    client = potsdb.Client("127.0.0.1", server.port, check_host=False)
    client.itself = client
    for i in range(100):
        client.send("m", i, timestamp=1500000000 + i)
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    server.wait_for(100)


def test_a_wait_lets_other_threads_run(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001)
    for i in range(10):
        client.send("m", i, timestamp=1500000000 + i)
    waiting = threading.Thread(target=client.wait)
    waiting.start()
    # With the interpreter lock held, this line would never be reached.
    client.stop()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


def test_many_clients_come_and_go():
    server = Server()
    for i in range(200):
        client = potsdb.Client("127.0.0.1", server.port, check_host=False)
        client.send("m", i, n=i)
        del client
    server.wait_for(200)
    server.wait_until_left()
    server.close()


@pytest.mark.parametrize("threads", [4])
def test_opening_and_closing_in_many_threads_at_once(threads, server):
    def work() -> None:
        for i in range(20):
            with potsdb.Client("127.0.0.1", server.port, check_host=False) as client:
                client.send("m", i, thread=threading.get_ident(), n=i)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(PATIENCE)
    assert len(set(server.wait_for(20 * threads))) == 20 * threads
