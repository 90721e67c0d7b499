"""`potsdb.testing`: what a program sends is found, waited for and explained, and outages are rehearsed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from server import PATIENCE, until

import potsdb
from potsdb.testing import Collision, Point, Receiver, Refused, SeriesName


@pytest.fixture
def metrics(tsd: Receiver) -> Iterator[potsdb.Client]:
    client = potsdb.Client.from_url(f"{tsd.url}?host_tag=web1&backoff=1ms..20ms")
    yield client
    client.stop()


def is_refused(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


# What came.


def test_tags_asked_for_are_some_of_those_a_series_has(tsd, metrics):
    metrics.send("web.requests", 1, path="/login", code=200, timestamp=1500000000)
    metrics.send("web.requests", 2.5, path="/login", code=500, timestamp=1500000001)
    metrics.send("web.requests", 7, path="/logout", code=200, timestamp=1500000002)
    assert metrics.flush(PATIENCE)
    logins = tsd.has("web.requests", path="/login")
    assert logins and (logins.count, logins.sum, logins.last, logins.increase) == (2, 3.5, 2.5, 0)
    assert logins.values == [1, 2.5] and type(logins.values[0]) is int
    assert tsd.has("web.requests", code=200).sum == 8
    assert tsd.has("web.requests", tags={"code": 500}, path="/login").count == 1
    assert not tsd.has("web.requests", path="/") and not tsd.has("web")
    assert tsd.points(code=500) == [
        Point("web.requests", {"code": "500", "host": "web1", "path": "/login"}, 1500000001, 2.5, 1)
    ]
    assert tsd.points() == tsd.points("web.requests") == tsd.points(host="web1")
    assert tsd.series("web.requests", path="/logout") == [
        SeriesName("web.requests", {"code": "200", "host": "web1", "path": "/logout"})
    ]


def test_of_a_counter_the_increase_is_what_was_counted(tsd, metrics):
    requests = metrics.counter("web.requests", path="/login")
    requests.add(3)
    assert metrics.flush(PATIENCE)
    assert tsd.has("web.requests", path="/login").increase == 3
    tsd.clear()
    assert not tsd.has("web.requests") and tsd.stats()["accepted"] == 2
    requests.add(2)
    assert metrics.flush(PATIENCE)
    found = tsd.has("web.requests", path="/login")
    assert (found.increase, found.last) == (2, 5)


def test_what_is_not_there_is_explained_by_what_is(tsd, metrics):
    metrics.send("web.requests", 3, path="/login", timestamp=1500000000)
    assert metrics.flush(PATIENCE)
    assert repr(tsd.has("web.request", path="/login")) == (
        "<nothing of web.request{path=/login}: there is web.requests{host=web1,path=/login} (1 point)>"
    )
    assert repr(tsd.has("web.requests")) == (
        "<web.requests{}: sum 3, count 1, last 3, increase 0; web.requests{host=web1,path=/login} 3>"
    )
    with pytest.raises(AssertionError) as raised:
        tsd.wait_for("web.requests", path="/login", sum=4, timeout=0.05)
    assert str(raised.value).splitlines() == [
        "web.requests{path=/login} with sum 4 did not come within 50ms",
        "  what came: sum 3, count 1, last 3, increase 0",
        "    web.requests{host=web1,path=/login} 3",
    ]


def test_refused_points_are_told_in_the_servers_words(metrics):
    with Receiver(known_metrics=["known"]) as tsd:
        client = potsdb.Client.from_url(f"{tsd.url}?host_tag=false")
        client.send("unknown", 1, a=1, timestamp=1500000000)
        assert client.close(PATIENCE).rejected == 1
        words = "put: unknown metric: No such name for 'metrics': 'unknown'"
        assert tsd.refused == [Refused("put unknown 1500000000 1 a=1", words)]
        with pytest.raises(AssertionError, match="refused, 1 in all") as raised:
            tsd.wait_for("unknown", timeout=0)
        assert words in str(raised.value)
        assert words in repr(tsd.has("unknown"))


def test_a_wait_ends_as_soon_as_it_is_there_and_lets_other_threads_run(tsd, metrics):
    def send() -> None:
        for i in range(3):
            metrics.send("m", 1, a=1, timestamp=1500000000 + i)

    sender = threading.Timer(0.01, send)
    sender.start()
    assert tsd.wait_for("m", sum=3, count=3, last=1, timeout=PATIENCE).count == 3
    sender.join()


def test_a_wait_can_be_interrupted(tsd):
    class Late(Exception):
        pass

    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Late):
            tsd.wait_for("m", timeout=None)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_ends_a_wait(start):
    child = start("""
    from potsdb.testing import Receiver
    with Receiver() as tsd:
        try:
            print("waiting", flush=True)
            tsd.wait_for("m", timeout=None)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGINT)
    assert child.finish() == (0, "interrupted\n", "")


def test_series_that_two_connections_write_are_named(tsd):
    for value in (1, 2):
        client = potsdb.Client.from_url(f"{tsd.url}?host_tag=false")
        client.send("m", value, a=1, timestamp=1500000000)
        client.close(PATIENCE)
    assert tsd.collisions == [Collision("m", {"a": "1"}, 1, 1500000000, "1", "2")]
    assert tsd.stats()["collisions"] == 1
    tsd.clear()
    assert tsd.collisions == []


def test_a_tag_may_have_the_name_of_an_argument(tsd, metrics):
    metrics.send("m", 1, tags={"timeout": "5", "tags": "x"}, timestamp=1500000000)
    assert tsd.wait_for("m", tags={"timeout": 5, "tags": "x"}, sum=1)


def test_it_takes_points_over_http_as_well(tsd):
    with potsdb.Client.from_url(tsd.http_url) as client:
        client.send("m", 1, a=1)
    assert tsd.has("m", a=1).sum == 1


def test_what_is_wrong_is_refused():
    with pytest.raises(ValueError, match="opentsdb, victoriametrics"):
        Receiver(server="graphite")
    with Receiver() as tsd:
        with pytest.raises(OSError, match="in use"):
            Receiver(port=tsd.port)
        with pytest.raises(ValueError, match="status 7 is illegal"):
            tsd.fail(7)
    with pytest.raises(RuntimeError, match="closed"):
        tsd.has("m")
    tsd.close()


# Outages.


def test_nothing_is_lost_in_a_restart(tsd, metrics):
    for round in range(3):
        for i in range(100):
            metrics.send("m", i, a=1, timestamp=1500000000 + 100 * round + i)
        tsd.restart()
    assert metrics.flush(PATIENCE)
    assert tsd.has("m").count == 300 and tsd.stats()["restarts"] == 3


def test_an_outage_lasts_until_it_is_over(tsd, metrics):
    with tsd.down():
        until(lambda: is_refused(tsd.port))
        metrics.send("m", 1, a=1, timestamp=1500000000)
        assert not metrics.flush(0.05) and not tsd.has("m")
    assert metrics.flush(PATIENCE) and tsd.has("m").sum == 1


@pytest.mark.parametrize("answers_only", [False, True])
def test_a_stalled_server_holds_points_up_until_it_resumes(tsd, metrics, answers_only):
    tsd.stall(answers_only=answers_only)
    metrics.send("m", 1, a=1, timestamp=1500000000)
    if answers_only:
        tsd.wait_for("m", timeout=PATIENCE)
    assert not metrics.flush(0.05) and metrics.stats().pending == 1
    tsd.resume()
    assert metrics.flush(PATIENCE) and metrics.stats().acknowledged == 1


def test_points_of_chosen_metrics_are_refused(tsd, metrics):
    with tsd.refuse("web.*"):
        metrics.send("web.requests", 1, a=1, timestamp=1500000000)
        metrics.send("m", 1, a=1, timestamp=1500000000)
        assert metrics.flush(PATIENCE)
        assert metrics.stats().rejected == len(tsd.refused) == 1
    assert tsd.points("m") and not tsd.points("web.requests")
    with tsd.refuse():
        metrics.send("m", 2, a=1, timestamp=1500000001)
        assert metrics.flush(PATIENCE) and metrics.stats().rejected == 2


def test_http_requests_fail_as_often_as_asked(tsd):
    tsd.fail(503, times=2, retry_after=0)
    client = potsdb.Client.from_url(f"{tsd.http_url}?backoff=1ms..20ms")
    client.send("m", 1, a=1)
    assert client.close(PATIENCE).acknowledged == 1
    assert tsd.stats()["struck_requests"] == 2 and tsd.has("m").count == 1


def test_throttled_points_and_lost_answers_are_sent_again(tsd):
    client = potsdb.Client.from_url(f"{tsd.url}?backoff=1ms..20ms&answer_timeout=100ms&settle=20ms")
    client.send("m", 1, a=1, timestamp=1500000000)
    assert client.flush(PATIENCE)
    tsd.throttle(times=1)
    client.send("m", 2, a=1, timestamp=1500000001)
    tsd.wait_for("m", count=2, timeout=PATIENCE)
    assert client.flush(PATIENCE)
    tsd.lose_answers(times=1)
    client.send("m", 3, a=1, timestamp=1500000002)
    assert client.flush(PATIENCE)
    assert client.close(PATIENCE).acknowledged == 3
    stats = tsd.stats()
    assert stats["throttled"] == 1 and stats["lost_answers"] == 1


def test_reset_connections_are_made_anew(tsd, metrics):
    metrics.send("m", 1, a=1, timestamp=1500000000)
    assert metrics.flush(PATIENCE)
    tsd.reset()
    metrics.send("m", 2, a=1, timestamp=1500000001)
    assert metrics.flush(PATIENCE)
    until(lambda: metrics.stats().connects == 2)
    assert tsd.has("m").sum == 3


def test_points_too_young_die_with_the_server():
    with Receiver(forget=3600) as tsd:
        client = potsdb.Client.from_url(f"{tsd.url}?settle=0")
        client.send("m", 1, a=1, timestamp=1500000000)
        assert client.flush(PATIENCE) and tsd.has("m")
        tsd.restart()
        client.stop()
        assert not tsd.has("m") and tsd.stats()["forgotten"] == 1


# Processes.


def test_a_forked_child_sends_to_it_and_breaks_nothing(run):
    out, _ = run("""
    import os, sys
    import potsdb
    from potsdb.testing import Receiver
    tsd = Receiver()
    client = potsdb.Client.from_url(tsd.url + "?host_tag=false&backoff=1ms..20ms")
    client.send("parent", 1, a=1, timestamp=1500000001)
    client.flush(20)
    ready, is_ready = os.pipe()
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        client.send("child", 1, a=1)
        assert client.flush(20)
        for ask in (lambda: tsd.has("child"), lambda: tsd.wait_for("child"), tsd.restart, tsd.resume):
            try:
                ask()
            except RuntimeError as error:
                assert "belongs to process" in str(error)
            else:
                os._exit(1)
        tsd.close()
        os.write(is_ready, b"x")
        os.read(go_read, 1)
        # Ends as a program does, its objects with it.
        del tsd
        sys.exit(0)
    os.read(ready, 1)
    assert tsd.wait_for("child", timeout=20).count == 1
    # The child has copies of the sockets, and the port is ours all the same.
    tsd.restart()
    client.send("parent", 2, a=1, timestamp=1500000002)
    assert client.flush(20)
    with tsd.down():
        client.send("parent", 3, a=1, timestamp=1500000003)
        assert not client.flush(0.1)
    assert client.flush(20)
    os.write(go_write, b"x")
    assert os.waitpid(child, 0)[1] == 0
    client.close(20)
    assert tsd.has("parent").values == [1, 2, 3]
    port = tsd.port
    tsd.close()
    Receiver(port=port).close()
    print("good")
    """)
    assert out == "good\n"


def test_one_that_is_never_closed_ends_with_the_program(run):
    assert run("""
    from potsdb.testing import Receiver
    kept = Receiver()
    class Cycle:
        pass
    cycle = Cycle()
    cycle.itself, cycle.receiver = cycle, Receiver()
    del cycle
    print("end")
    """) == ("end\n", "")


def test_importing_it_starts_no_thread(run):
    assert run("""
    import os
    import potsdb.testing
    print(len(os.listdir("/proc/self/task")))
    """) == ("1\n", "")


# The fixture.


PROJECT = """
import sys
import potsdb
import pytest

ports = []

@pytest.mark.parametrize("number", range(3))
def test_each_has_a_receiver_of_its_own(tsd, number):
    with potsdb.Client.from_url(tsd.url) as metrics:
        metrics.send("m", number, a=1)
    assert tsd.has("m").values == [number]
    ports.append(tsd.port)

def test_they_are_closed():
    import socket
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

def test_a_failure(tsd):
    assert tsd.has("m", a=1).sum == 3
"""


def pytest_run(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(folder)]
    return subprocess.run(
        [*command, *arguments, str(folder)], capture_output=True, text=True, cwd=folder, env=environment, timeout=PATIENCE
    )


def test_pytest_has_the_fixture_by_itself(tmp_path):
    (tmp_path / "test_project.py").write_text(PROJECT)
    done = pytest_run(tmp_path)
    assert "1 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert "assert 0 == 3" in done.stdout
    assert "<nothing of m{a=1}: there is no point at all>.sum" in done.stdout


def test_a_session_that_does_not_use_it_loads_nothing_for_it(tmp_path):
    (tmp_path / "test_project.py").write_text("""
import sys

def test_nothing_is_loaded():
    assert not [name for name in sys.modules if name.startswith("potsdb.testing")]
""")
    done = pytest_run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
