"""`spool`: what was accepted outlives an outage, the program's end, `kill -9` and a fork, and the next program delivers it."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import time
from pathlib import Path

import pytest
from conftest import assert_balanced
from server import PATIENCE, Server

import potsdb

FILL = """
    import os, sys
    import potsdb
    port, points, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    client = potsdb.Client("127.0.0.1", port, host_tag="h", check_host=False, spool=folder, spool_free=0, settle=0{options})
    for i in range(points):
        client.send("m", i, timestamp=1500000000 + i)
"""


def fill(options: str = "") -> str:
    return FILL.replace("{options}", options)


@pytest.fixture
def nowhere():
    """A port where nobody listens, and nobody else will: it is bound."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def open_at(port: int, folder: Path, **options) -> potsdb.Client:
    # The same store, whatever the port: a server of tests has a new one each time.
    return potsdb.Client(
        "127.0.0.1", port, host_tag="h", check_host=False, spool=folder, spool_free=0, settle=0, spool_name="store", **options
    )


def delivered_by_the_next(server: Server, folder: Path, points: int) -> potsdb.Stats:
    """What a client delivers that finds the folder, and sends nothing itself."""
    client = open_at(server.port, folder)
    server.wait_for(points)
    stats = client.close(PATIENCE)
    assert_balanced(stats)
    assert (stats.adopted, stats.acknowledged, stats.spooled) == (points, points, 0)
    return stats


def test_a_sync_needs_no_server_and_a_flush_does(nowhere, folder, server):
    client = open_at(nowhere, folder)
    for i in range(1000):
        client.send("m", i, timestamp=1500000000 + i)
    assert client.sync(PATIENCE) is True
    assert client.flush(0.05) is False
    stats = client.stats()
    assert (stats.spooled, stats.pending, stats.dropped) == (1000, 1000, 0)
    stats = client.close(PATIENCE)
    assert (stats.spooled, stats.pending) == (1000, 1000)
    delivered_by_the_next(server, folder, 1000)


def test_after_the_end_nothing_waits_for_a_verdict_that_the_next_program_will_get(nowhere, folder):
    client = open_at(nowhere, folder)
    for i in range(10):
        client.send("m", i, timestamp=1500000000 + i)
    flushing = client._barrier()
    assert client.close(PATIENCE).spooled == 10
    assert (flushing.is_over(), flushing.is_reached()) == (True, False)
    assert not client.flush()
    assert not asyncio.run(client.aflush())
    assert client.sync()
    assert asyncio.run(client.async_sync())


def test_without_a_spool_a_sync_is_a_flush(client, server, nowhere):
    client.send("m", 1, a=1)
    assert client.sync(PATIENCE) and client.stats().acknowledged == 1
    assert client.stats().spool is None
    other = potsdb.Client("127.0.0.1", nowhere, check_host=False)
    other.send("m", 1)
    assert other.sync(0.05) is False
    other.stop()


def test_an_event_loop_runs_while_it_syncs(nowhere, folder, server):
    async def main() -> potsdb.Stats:
        client = open_at(nowhere, folder)
        client.send("m", 1)
        assert await client.async_sync(PATIENCE)
        assert not await client.aflush(0.05)
        # A close without a limit ends although nobody is there.
        return await client.aclose()

    assert asyncio.run(main()).spooled == 1
    delivered_by_the_next(server, folder, 1)


def test_a_kill_loses_nothing_that_a_sync_has_waited_for(start, nowhere, folder, server):
    script = fill(', spool_mode="always", spool_name="store"') + """
    print(client.sync(30), flush=True)
    os.kill(os.getpid(), 9)
    """
    child = start(script, nowhere, 20000, folder)
    assert child.line() == "True"
    assert child.finish()[0] == -signal.SIGKILL
    delivered_by_the_next(server, folder, 20000)


def test_a_kill_in_the_middle_of_everything_brings_only_whole_points(start, folder, server):
    script = fill(', spool_mode="always", spool_name="store"') + """
    client.sync(30)
    print("safe", flush=True)
    i = points
    while True:
        client.send("m", i, timestamp=1500000000 + i)
        i += 1
    """
    child = start(script, server.port, 5000, folder)
    assert child.line() == "safe"
    child.process.kill()
    child.finish()
    client = open_at(server.port, folder)
    assert client.flush(PATIENCE)
    assert_balanced(client.close(PATIENCE))
    lines = server.wait_for(5000)
    numbers = [int(line.split()[3]) for line in lines]
    assert set(numbers) >= set(range(5000))
    assert lines == [b"put m %d %d host=h\n" % (1500000000 + number, number) for number in numbers]


@pytest.mark.parametrize("ending", ["", "del client", "client.close()", "client.wait()", "sys.exit(0)"])
def test_what_is_kept_at_the_end_is_said_and_the_end_does_not_wait(start, nowhere, folder, server, ending):
    # The grace is longer than the child may take.
    child = start(fill(', spool_name="store", close_grace=1000') + f"\n    {ending}\n", nowhere, 5000, folder)
    status, out, err = child.finish()
    lines = [line for line in err.splitlines() if line.startswith("potsdb: ")]
    assert (status, out, lines) == (0, "", ["potsdb: 5000 points are kept in the spool"])
    delivered_by_the_next(server, folder, 5000)


def test_a_single_point_is_one(run, nowhere, folder):
    _, err = run(fill(), nowhere, 1, folder)
    assert "potsdb: 1 point is kept in the spool" in err.splitlines()


def test_a_server_that_is_stuck_costs_the_grace_and_no_point(run, stuck_server, folder, server):
    _, err = run(fill(', spool_name="store", close_grace=0.5'), stuck_server.port, 20000, folder)
    assert [line for line in err.splitlines() if line.startswith("potsdb: ")] == ["potsdb: 20000 points are kept in the spool"]
    delivered_by_the_next(server, folder, 20000)


@pytest.mark.parametrize("ending", ["client.close(0.5)", "with client: pass", "import asyncio; asyncio.run(client.aclose(0.5))"])
def test_a_close_at_its_deadline_keeps_what_a_stuck_server_did_not_take(run, stuck_server, folder, server, ending):
    script = fill(', spool_name="store", close_grace=0.5') + f"\n    {ending}\n    print(client.stats().spooled)\n"
    out, err = run(script, stuck_server.port, 20000, folder)
    assert out.split() == ["20000"], err
    delivered_by_the_next(server, folder, 20000)


def test_ctrl_c_ends_the_grace_and_keeps_the_points(start, stuck_server, folder, server):
    script = fill(', spool_name="store", close_grace=1000') + """
    import threading
    def announce():
        while client.stats().in_flight == 0: pass
        gate.wait()
        print("waiting", flush=True)
    gate = threading.Event()
    threading.Thread(target=announce, daemon=True).start()
    import atexit
    atexit.register(gate.set)
    """
    child = start(script, stuck_server.port, 20000, folder)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGINT)
    _, _, err = child.finish()
    assert "potsdb: 20000 points are kept in the spool" in err.splitlines(), err
    delivered_by_the_next(server, folder, 20000)


def test_who_got_the_statistics_is_not_told_twice(run, nowhere, folder):
    out, err = run(fill() + "\n    print(client.close(5).spooled)\n", nowhere, 100, folder)
    assert out.split() == ["100"] and not [line for line in err.splitlines() if line.startswith("potsdb: ")]


def test_what_is_stopped_is_given_up(run, nowhere, folder):
    _, err = run(fill() + "\n    client.stop()\n", nowhere, 100, folder)
    assert not [line for line in err.splitlines() if line.startswith("potsdb: ")]


def test_a_forked_child_has_a_slot_of_its_own(run, nowhere, folder, server):
    script = fill(', spool_name="store"') + """
    assert client.sync(30)
    child = os.fork()
    for i in range(points):
        client.send("child" if child == 0 else "parent", i, timestamp=1500000000 + i)
    assert client.sync(30)
    slots = sorted(os.listdir(os.path.join(folder, "store")))
    if child:
        assert os.waitpid(child, 0)[1] == 0
        print(slots)
    """
    out, err = run(script, nowhere, 1000, folder)
    assert out.split() == ["['0',", "'1']"]
    lines = sorted(line for line in err.splitlines() if line.startswith("potsdb: "))
    assert lines == ["potsdb: 1000 points are kept in the spool", "potsdb: 2000 points are kept in the spool"]
    client = open_at(server.port, folder)
    assert len(set(server.wait_for(3000))) == 3000
    assert_balanced(client.close(PATIENCE))


def test_an_outage_longer_than_the_queue_is_no_loss(folder):
    server = Server()
    port = server.port
    server.close()
    client = open_at(port, folder, qsize=1000)
    for first in range(0, 50000, 500):
        for i in range(first, first + 500):
            client.send("m", i, timestamp=1500000000 + i)
        assert client.sync(PATIENCE)
    stats = client.stats()
    assert (stats.dropped, stats.spooled) == (0, 50000)
    assert stats.spool.bytes > 50000 * 20 and stats.spool.slots == 1 and stats.spool.off is None
    client.close(PATIENCE)


def test_how_the_spool_is_doing_is_a_value(nowhere, folder):
    client = open_at(nowhere, folder)
    client.send("m", 1)
    assert client.sync(PATIENCE)
    # The worker publishes it now and then.
    deadline = time.monotonic() + PATIENCE
    while (spool := client.stats().spool).syncs == 0:
        assert time.monotonic() < deadline
    assert isinstance(spool, potsdb.SpoolState) and spool.bytes > 0 and not spool.stalled
    assert pickle.loads(pickle.dumps(spool)) == spool == potsdb.SpoolState(spool.as_dict())
    assert client.stats().as_dict()["spool"]["segments"] == 1
    assert repr(spool) == f"<potsdb.SpoolState {spool.bytes} bytes in 1 segments>"
    client.close(PATIENCE)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (dict(spool_bytes=1), "option spool_bytes: .1. is not a number of bytes of at least 2MiB"),
        (dict(spool_mode="x"), "option spool_mode: .x. is not overflow or always"),
        (dict(spool_free="x"), "option spool_free: .x. is not a number of bytes"),
        (dict(spool_sync=-1), "option spool_sync"),
    ],
)
def test_a_wrong_value_is_an_error_with_the_rule(folder, wrong, rule):
    with pytest.raises(potsdb.ConfigError, match=rule):
        potsdb.Client("localhost", check_host=False, spool=folder, **wrong)


@pytest.mark.parametrize("option", [dict(spool_bytes="1GiB"), dict(spool_mode="always"), dict(spool_name="x"), dict(spool_sync=1), dict(spool_free=0)])
def test_an_option_of_the_spool_without_a_spool_is_an_error(option):
    with pytest.raises(potsdb.ConfigError, match=f"option {next(iter(option))}: it has no effect without a spool"):
        potsdb.Client("localhost", check_host=False, **option)


def test_a_url_and_the_environment_name_a_spool(nowhere, folder, monkeypatch):
    url = f"tsdb://127.0.0.1:{nowhere}?spool={folder}&spool_mode=always&spool_name=a&check_host=false"
    for client in [potsdb.Client.from_url(url), (monkeypatch.setenv("POTSDB_URL", url), potsdb.Client())[1]]:
        client.send("m", 1)
        assert client.sync(PATIENCE)
        assert (folder / "a" / "0").is_dir()
        assert client.close(PATIENCE).spooled >= 1


def test_the_statistics_as_points_have_no_spool(server, folder):
    client = open_at(server.port, folder, spool_mode="always", self_metrics=1)
    client.send("m", 1)
    assert client.flush(PATIENCE)
    client.close(PATIENCE)


def test_a_folder_that_cannot_be_a_spool_is_told_and_points_go_on(run, server, folder):
    folder.write_text("a file")
    script = """
    import logging
    logging.basicConfig(format="%(levelname)s %(message)s")
    """ + fill() + "\n    print(client.close(30).acknowledged, client.stats().spool.off)\n"
    out, err = run(script, server.port, 100, folder)
    assert out.startswith("100 it cannot be opened: ")
    assert "WARNING the spool takes nothing for now: it cannot be opened: " in err
