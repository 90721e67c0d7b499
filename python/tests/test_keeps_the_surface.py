"""Programs written for potsdb 1.0.3 find everything they used: arguments, attributes, results, messages."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from server import PATIENCE, Server, until

import potsdb
import potsdb.client


def test_the_module_has_the_names_programs_import():
    assert potsdb.client.Client is potsdb.Client
    assert potsdb.client.MPS_LIMIT == 0
    assert isinstance(potsdb.__version__, str)


def test_the_package_shows_what_programs_may_use_and_nothing_else():
    # These are modules of their own, which other tests of this process may have imported. pytest, whose plugin is in the
    # package, adds names with an `@`.
    modules = {"logs", "otel", "prometheus", "statsd", "testing"}
    shown = {name for name in dir(potsdb) if not name.startswith(("_", "@"))} - modules
    assert shown == {name for name in potsdb.__all__ if not name.startswith("_")} | {"exceptions"}


def test_the_package_says_it_is_typed():
    assert (Path(potsdb.__file__).parent / "py.typed").exists()


def test_arguments_go_by_position_in_the_old_order(server):
    client = potsdb.Client("127.0.0.1", str(server.port), 5, "web1", 1000, True, False)
    assert (client.host, client.port, client.host_tag, client.q.maxsize) == ("127.0.0.1", server.port, "web1", 5)
    assert client.send("m", 1, timestamp=1500000000) == "put m 1500000000 1 host=web1\n"
    client.wait()
    assert server.text == ["put m 1500000000 1 host=web1\n"]


def test_arguments_go_by_keyword():
    client = potsdb.Client(host="h", port="4243", qsize="7", host_tag=None, mps=None, check_host=False, test_mode=True)
    assert (client.host, client.port, client.host_tag, client.q.maxsize) == ("h", 4243, None, 7)
    client.stop()


@pytest.mark.parametrize(
    ("given", "attribute", "tag"),
    [
        (True, socket.gethostname(), f" host={socket.gethostname()}"),
        (1, socket.gethostname(), f" host={socket.gethostname()}"),
        (1.0, socket.gethostname(), f" host={socket.gethostname()}"),
        ("abc", "abc", " host=abc"),
        ("", "", ""),
        (None, None, ""),
        (False, None, ""),
        (0, None, ""),
        (2, None, ""),
        (b"x", None, ""),
    ],
)
def test_host_tag_is_the_machine_a_string_or_nothing(given, attribute, tag):
    client = potsdb.Client("localhost", host_tag=given, check_host=False, test_mode=True)
    assert client.host_tag == attribute
    assert client.send("m", 1, a="b", timestamp=1500000000) == f"put m 1500000000 1 a=b{tag}\n"
    client.stop()


def test_an_illegal_host_tag_is_an_error_at_construction():
    with pytest.raises(ValueError, match="a b"):
        potsdb.Client("localhost", host_tag="a b", check_host=False)


def test_a_host_tag_of_the_call_wins(offline):
    assert offline.send("m", 1, host="web", timestamp=1500000000) == "put m 1500000000 1 host=web\n"


def test_tags_keep_their_order_and_are_printed_with_str(offline):
    class Thing:
        def __str__(self) -> str:
            return "thing"

    line = offline.send("m", 1, z=1, a=2.5, n=None, t=Thing(), b=b"x", timestamp=1500000000)
    assert line == "put m 1500000000 1 z=1 a=2.5 n=None t=thing b=b'x' host=h\n"


def test_log_is_send(offline):
    assert offline.log("m", 1, timestamp=1500000000) == "put m 1500000000 1 host=h\n"


def test_name_and_val_go_by_keyword_too(offline):
    assert offline.send(name="m", val=1, timestamp=1500000000) == "put m 1500000000 1 host=h\n"
    assert offline.send("m", val=2, timestamp=1500000001) == "put m 1500000001 2 host=h\n"
    for wrong in [lambda: offline.send(), lambda: offline.send("m"), lambda: offline.send("m", 1, 2)]:
        with pytest.raises(TypeError):
            wrong()


def test_the_time_is_now_unless_given(offline):
    before = int(time.time())
    line = offline.send("m", 1)
    assert line is not None
    # The coarse clock may be a tick behind.
    assert before - 1 <= int(line.split()[2]) <= int(time.time())
    assert offline.send("m", 1, timestamp="1500000000").split()[2] == "1500000000"
    assert offline.send("m", 1, timestamp=1500000001.9).split()[2] == "1500000001"
    assert offline.send("m", 1, timestamp=1500000000123).split()[2] == "1500000000123"


def test_a_repeat_returns_none_and_the_first_one_wins(server, client):
    assert client.send("m", 1, a=1, timestamp=1500000000) is not None
    assert client.send("m", 2, a=1, timestamp=1500000000) is None
    assert client.send("m", 3, b=1, timestamp=1500000000) is not None
    assert client.flush(10)
    assert [line.split()[3] for line in server.text] == ["1", "3"]
    assert client.stats().repeated == 1


def test_the_order_of_tags_is_part_of_the_key(offline):
    assert offline.send("m", 1, a=1, b=2, timestamp=1500000000) is not None
    assert offline.send("m", 1, b=2, a=1, timestamp=1500000000) is not None


def test_no_tag_at_all_is_an_assertion_error():
    client = potsdb.Client("localhost", host_tag=None, check_host=False, test_mode=True)
    with pytest.raises(AssertionError, match="Need at least one tag"):
        client.send("m", 1)
    client.stop()


def test_send_after_close_is_an_assertion_error(client):
    assert not client.done.is_set()
    assert client.close() is None
    assert client.done.is_set() and client.done.wait(0)
    with pytest.raises(AssertionError, match="closed"):
        client.send("m", 1, a=1)
    with pytest.raises(AssertionError, match="closed"):
        client.send("m", 1, a="b c")
    client.wait()


def test_done_is_one_event_whenever_it_is_asked_for(offline):
    assert offline.done is offline.done and isinstance(offline.done, threading.Event)
    client = potsdb.Client("localhost", check_host=False, test_mode=True)
    client.close()
    assert client.done.is_set()
    assert not hasattr(potsdb.Client, "done"), "each client has its own"


def test_close_delivers_what_is_queued(server, client):
    for i in range(1000):
        client.send("m", i, a=1, timestamp=1500000000 + i)
    client.close()
    assert len(server.wait_for(1000)) == 1000
    client.t.join(PATIENCE)
    assert not client.t.is_alive()


def test_wait_returns_when_everything_is_delivered(server, client):
    for i in range(1000):
        client.send("m", i, a=1, timestamp=1500000000 + i)
    client.wait()
    assert len(server.lines) == 1000
    assert not client.t.is_alive() and client.q.empty()
    client.wait()


def test_stop_gives_up_what_is_queued_and_send_goes_on_returning_lines(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, check_host=False)
    client.send("m", 1)
    client.stop()
    client.t.join(PATIENCE)
    assert not client.t.is_alive() and not client.done.is_set()
    assert client.send("m", 1, timestamp=1500000000, host="h") == "put m 1500000000 1 host=h\n"
    client.wait()
    stats = client.stats()
    assert stats.accepted == 2 and stats.pending == 0
    assert stats.dropped_stopped + stats.unconfirmed == 2


def test_a_deleted_client_delivers_and_hangs_up(server):
    client = potsdb.Client("127.0.0.1", server.port, check_host=False)
    for i in range(1000):
        client.send("m", i, timestamp=1500000000 + i)
    del client
    assert len(server.wait_for(1000)) == 1000
    server.wait_until_left()


def test_a_series_keeps_its_deleted_client_open(server):
    client = potsdb.Client("127.0.0.1", server.port, check_host=False)
    series = client.series("m", a=1)
    del client
    assert series.send(1)
    server.wait_for(1)
    del series
    server.wait_until_left()


def test_the_attributes_count_and_answer(offline):
    assert (offline.queued, offline.t.daemon, offline.t.is_alive(), offline.done.is_set()) == (0, True, True, False)
    offline.send("m", 1)
    assert offline.queued == 1
    assert (offline.q.maxsize, offline.q.full()) == (100000, False)


def test_queued_leaves_out_what_a_full_queue_pushed_out(stuck_server):
    # The server reads nothing, and mps keeps all but the first point in the queue.
    client = potsdb.Client("127.0.0.1", stuck_server.port, 10, check_host=False, mps=0.001)
    client.send("m", 0, timestamp=1500000000)
    until(lambda: client.stats().queued == 0)
    for i in range(1, 30):
        client.send("m", i, timestamp=1500000000 + i)
    stats = client.stats()
    assert stats.accepted == 30 and stats.dropped_queue_full == 19
    assert client.queued == 30 - stats.dropped_queue_full
    assert client.q.full()
    client.stop()


def test_qsize_zero_is_no_limit():
    client = potsdb.Client("localhost", qsize=0, check_host=False, test_mode=True)
    assert client.q.maxsize == 0 and not client.q.full()
    client.stop()


def test_check_host_raises_what_the_socket_raises():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ConnectionRefusedError) as raised:
        potsdb.Client("127.0.0.1", port)
    assert raised.value.errno is not None and raised.value.strerror == "Connection refused"
    assert str(raised.value).endswith(f"Connection refused: 'tsdb://127.0.0.1:{port}'")
    with pytest.raises(socket.gaierror, match="tsdb://no.such.host.invalid:4242"):
        potsdb.Client("no.such.host.invalid", 4242)


def test_check_host_connects_once_and_hangs_up(server):
    client = potsdb.Client("127.0.0.1", server.port)
    server.wait_until(lambda: server.connections == 1)
    client.stop()


def test_without_check_host_construction_never_touches_the_network():
    client = potsdb.Client("no.such.host.invalid", check_host=False)
    client.stop()


def test_a_port_that_is_no_number_is_a_value_error():
    with pytest.raises(ValueError):
        potsdb.Client("h", "x", check_host=False)


def test_test_mode_queues_and_consumes_and_writes_nothing(capfd, caplog):
    server = Server()
    client = potsdb.Client("127.0.0.1", server.port, check_host=False, test_mode=True)
    for i in range(100):
        assert client.send("m", i, timestamp=1500000000 + i) is not None
    assert client.send("m", 1, a="b c") is None
    client.wait()
    stats = client.stats()
    assert (stats.accepted, stats.dropped_test_mode, stats.pending) == (100, 100, 0)
    assert server.connections == 0 and server.lines == []
    assert capfd.readouterr() == ("", "") and caplog.records == []
    server.close()


def test_a_subclass_may_have_its_own_arguments(server):
    class Mine(potsdb.Client):
        def __init__(self, prefix: str) -> None:
            super().__init__("127.0.0.1", server.port, check_host=False)
            self.prefix = prefix

        def send(self, name, val, **tags):
            return super().send(self.prefix + name, val, **tags)

    mine = Mine("my.")
    assert mine.send("m", 1, timestamp=1500000000, host="h") == "put my.m 1500000000 1 host=h\n"
    mine.wait()
    assert server.text == ["put my.m 1500000000 1 host=h\n"]


def test_a_client_that_was_never_opened_says_so():
    class Forgetful(potsdb.Client):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="not open"):
        Forgetful().send("m", 1)


def test_losing_the_server_raises_nothing(server):
    client = potsdb.Client("127.0.0.1", server.port, host_tag="h", check_host=False)
    client.send("m", 1, timestamp=1500000000)
    assert client.flush(PATIENCE)
    server.close()
    assert client.send("m", 2, timestamp=1500000001) is not None
    assert not client.flush(0.05)
    assert client.t.is_alive() and client.stats().pending == 1
    client.stop()


def test_any_number_of_threads_may_send(server, client):
    def work(thread: int) -> None:
        for i in range(2000):
            client.send("m", i, thread=thread, timestamp=1500000000 + i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(PATIENCE)
    assert len(set(server.lines)) == len(server.lines) == 16000
    assert client.stats().acknowledged == 16000
