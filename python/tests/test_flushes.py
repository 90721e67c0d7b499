"""flush, close and `with` wait for verdicts, end in time, and say what became of every point."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from conftest import assert_balanced
from server import PATIENCE, Server

import potsdb


MANY = 200_000
"""Points: more than the kernel holds for a server that does not read."""


def fill(client: potsdb.Client, points: int) -> None:
    for i in range(points):
        client.send("m", i, a=1, timestamp=1500000000 + i)


def test_flush_returns_true_when_every_point_before_it_has_arrived(server, client):
    fill(client, 5000)
    assert client.flush() is True
    assert len(server.lines) == 5000
    assert client.stats().acknowledged == 5000
    assert client.flush(0) is True
    client.send("m", 1, after="flush")
    assert client.flush(PATIENCE)
    assert len(server.lines) == 5001


def test_flush_returns_false_at_its_deadline(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001)
    fill(client, 10)
    assert client.flush(0.01) is False
    assert client.stats().pending >= 9
    client.stop()


@pytest.mark.parametrize("timeout", [-1, 0, 0.0])
def test_a_timeout_of_nothing_asks_without_waiting(offline, timeout):
    assert offline.flush(timeout) in (True, False)


def test_a_timeout_that_is_no_number_is_refused(offline):
    with pytest.raises(ValueError, match="nan"):
        offline.flush(float("nan"))
    with pytest.raises(TypeError):
        offline.flush("soon")


def test_points_of_a_server_that_never_answers_are_unconfirmed(silent_server):
    client = potsdb.Client("127.0.0.1", silent_server.port, check_host=False)
    fill(client, 1000)
    stats = client.close(PATIENCE)
    assert (stats.unconfirmed, stats.acknowledged, stats.delivered) == (1000, 0, 1000)
    assert len(silent_server.lines) == 1000


def test_close_returns_the_final_statistics(server):
    client = potsdb.Client("127.0.0.1", server.port, check_host=False)
    fill(client, 1000)
    stats = client.close(PATIENCE)
    assert isinstance(stats, potsdb.Stats)
    assert (stats.accepted, stats.acknowledged, stats.pending) == (1000, 1000, 0)
    assert client.close(0).acknowledged == 1000
    assert client.done.is_set() and not client.t.is_alive()


def test_close_ends_at_its_deadline_and_counts_the_rest(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001)
    fill(client, 100)
    stats = client.close(0.05)
    assert stats.pending == 0 and stats.dropped_closed >= 98
    assert_balanced(stats)


def test_with_closes_in_the_end(server):
    with potsdb.Client("127.0.0.1", server.port, check_host=False) as client:
        fill(client, 1000)
    assert len(server.lines) == 1000
    with pytest.raises(potsdb.Closed):
        client.send("m", 1)


def test_with_ends_within_close_grace(stuck_server):
    with potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001, close_grace=0.05) as client:
        fill(client, 100)
    assert client.stats().pending == 0
    assert not client.t.is_alive()


def test_with_lets_exceptions_through(server):
    with pytest.raises(LookupError), potsdb.Client("127.0.0.1", server.port, check_host=False) as client:
        fill(client, 10)
        raise LookupError
    assert len(server.lines) == 10


def test_rejected_points_carry_the_servers_words():
    server = Server(refuse=b"bad=1")
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    client.send("m", 1, good=1)
    client.send("m", 1, bad=1)
    assert client.flush(PATIENCE)
    stats = client.close(PATIENCE)
    assert (stats.acknowledged, stats.rejected) == (1, 1)
    assert stats.rejections == [("illegal argument", 1)]
    assert any("refused by the test" in words for words in stats.last_rejections)
    server.close()


def test_statistics_are_frozen_and_go_through_json(server, client):
    fill(client, 3)
    client.flush(PATIENCE)
    stats = client.stats()
    with pytest.raises(AttributeError):
        stats.accepted = 5
    every = stats.as_dict()
    assert json.loads(json.dumps(every)) == every
    shown = {name for name in dir(stats) if not name.startswith("_")} - {"as_dict"}
    assert shown == set(every)
    assert all(every[name] == getattr(stats, name) for name in shown - {"rejections", "endpoints"})
    assert every["endpoints"][0]["name"].endswith(f":{server.port}")
    assert "3 acknowledged" in str(stats)


def test_aflush_waits_and_lets_the_loop_run(server, client):
    async def main() -> int:
        turns = 0

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        spinning = asyncio.ensure_future(spin())
        fill(client, 5000)
        assert await client.aflush(PATIENCE)
        spinning.cancel()
        return turns

    assert asyncio.run(main()) > 0
    assert len(server.lines) == 5000


def test_aflush_says_false_at_its_deadline(stuck_server):
    async def main() -> None:
        async with potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001, close_grace=0.02) as client:
            fill(client, 10)
            assert not await client.aflush(0.01)
        assert client.stats().pending == 0

    asyncio.run(main())


def test_async_with_waits_for_delivery_and_lets_the_loop_run(late_server):
    async def main() -> potsdb.Stats:
        async with potsdb.Client("127.0.0.1", late_server.port, 0, check_host=False, close_grace=60) as client:
            fill(client, MANY)
            # Called when the loop runs again: not before the end of `async with`.
            asyncio.get_running_loop().call_soon(late_server.read_again)
        return client.stats()

    # The server kept silent for a while: some may be unconfirmed.
    assert asyncio.run(main()).delivered == MANY


def test_aclose_waits_for_delivery_lets_the_loop_run_and_gives_the_statistics(late_server):
    async def main() -> potsdb.Stats:
        client = potsdb.Client("127.0.0.1", late_server.port, 0, check_host=False)
        fill(client, MANY)
        asyncio.get_running_loop().call_soon(late_server.read_again)
        stats = await client.aclose()
        with pytest.raises(potsdb.Closed):
            client.send("m", 1, a=1)
        return stats

    assert asyncio.run(main()).delivered == MANY


def test_aclose_gives_up_what_is_left_at_its_deadline(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, check_host=False, mps=0.001)
    fill(client, 10)
    stats = asyncio.run(client.aclose(0.01))
    assert stats.pending == 0 and stats.dropped_closed > 0 and stats.accepted == 10
    assert client.done.is_set() and not client.t.is_alive()


def test_a_task_that_is_cancelled_in_aclose_leaves_a_client_that_delivers(late_server):
    client = potsdb.Client("127.0.0.1", late_server.port, 0, check_host=False)
    fill(client, MANY)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.aclose(), 0.05)

    asyncio.run(main())
    assert client.t.is_alive() and client.stats().pending > 0
    late_server.read_again()
    assert client.close(PATIENCE).delivered == MANY


def test_block_waits_for_room_and_loses_nothing(server):
    client = potsdb.Client("127.0.0.1", server.port, 100, None, check_host=False, overflow="block")
    fill(client, 5000)
    stats = client.close(PATIENCE)
    assert (stats.accepted, stats.acknowledged, stats.full) == (5000, 5000, 0)


def test_block_with_a_deadline_raises_queue_full(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, 10, None, check_host=False, overflow="block:120ms", mps=0.001)
    with pytest.raises(potsdb.QueueFull):
        fill(client, 100)
    stats = client.stats()
    assert stats.full == 1 and stats.accepted >= 10
    client.stop()


def test_reports_reach_the_log_from_the_senders_thread(caplog):
    server = Server(refuse=b"bad=1")
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    client.send("m", 1, bad=1)
    assert client.flush(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not (said := [record for record in caplog.records if "refused by the test" in record.getMessage()]):
        assert time.monotonic() < deadline
        client.flush()  # any call passes on what the worker has reported by then
    assert said[0].name == "potsdb" and said[0].thread == threading.get_ident()
    client.stop()
    server.close()
