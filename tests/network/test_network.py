"""Packet loss, delay, reordering, outages and black holes: nothing is lost, and flush says what is so.

The store journals each line before it answers, so the moment a flush returns True its journal must have every point;
the journal is read at that moment. The link is `link.py`; the seed of its draws is in the test's name.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from link import FAR, Faults, Link, why_not

HERE = Path(__file__).parent
SEED = int(os.environ.get("POTSDB_SEED", "1"))

pytestmark = pytest.mark.skipif((reason := why_not()) is not None, reason=str(reason))

BAD = Faults(lose=0.05, delay=0.05, jitter=0.01, reorder=0.05, double=0.01, corrupt=0.01)
DEAD = Faults(towards_far=False, towards_near=False)


class Program:
    """The program at the near end."""

    def __init__(self, link: Link, url: str) -> None:
        command = [sys.executable, str(HERE / "program.py"), url]
        self.process = link.run_in(
            link.near, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **question: object) -> dict:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        stats = answer["stats"]
        known = sum(stats[name] for name in ("acknowledged", "unconfirmed", "rejected", "dropped", "pending"))
        assert stats["accepted"] == known == answer["sent"], stats
        return answer


class Network:
    """The link, the store at its far end, and programs at its near end."""

    def __init__(self, folder: Path, wire: str) -> None:
        self.link = Link(SEED)
        self._journal, self._wire = folder / "journal", wire
        self.processes: list[subprocess.Popen] = []
        serve = [os.environ["POTSDB_COMMAND"], "serve", "--json", "--listen", FAR, "--port", "0", "--journal"]
        store = self.link.run_in(self.link.far, *serve, str(self._journal), stdout=subprocess.PIPE, text=True)
        self.processes.append(store)
        assert store.stdout is not None
        self.port = json.loads(store.stdout.readline())["port"]

    def program(self, options: str = "") -> Program:
        program = Program(self.link, f"{self._wire}://{FAR}:{self.port}?server=opentsdb&{options}")
        self.processes.append(program.process)
        return program

    def stored(self, points: int) -> int:
        """How many of the first points the store has; each line it has must be one that was sent."""
        lines = self._journal.read_text().splitlines()
        expected = {f"put m {1_500_000_000 + n} {n} a=1" for n in range(points)}
        assert set(lines) <= expected
        return len(collections.Counter(lines))

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self.link.close()


@pytest.fixture(params=["tsdb", "http"])
def network(request, tmp_path) -> Iterator[Network]:
    network = Network(tmp_path, request.param)
    yield network
    network.close()


def heal_after(network: Network, seconds: float) -> threading.Timer:
    """The link is good again after a while: the outage is what the test is about."""
    timer = threading.Timer(seconds, lambda: setattr(network.link, "faults", Faults()))
    timer.start()
    return timer


@pytest.mark.parametrize("seed", [SEED])
def test_loss_delay_reordering_and_corruption_lose_nothing(network, seed):
    network.link.faults = BAD
    program = network.program()
    took = []
    for _ in range(4):
        sent = program.ask(send=25_000)["sent"]
        flushed = program.ask(flush=90)
        assert flushed["answer"] is True
        assert network.stored(sent) == sent, "flush returned, and the store has not everything"
        took.append(round(flushed["took"], 1))
    stats = program.ask(close=60)["stats"]
    assert (stats["acknowledged"], stats["dropped"], stats["rejected"]) == (100_000, 0, 0)
    lost, passed = network.link.lost, network.link.passed
    assert lost > 10, "hardly a packet was lost: the test tests nothing"
    print(f"{sent} points, 0 missing, {lost} of {lost + passed} packets lost, flushes of 25 000 took {took} s")


def test_a_link_that_is_down_for_five_seconds_loses_nothing_and_no_flush_lies(network):
    program = network.program()
    program.ask(send=20_000)
    assert program.ask(flush=30)["answer"] is True
    network.link.faults = DEAD
    sent = program.ask(send=20_000)["sent"]
    # Down for as long as this: a flush that is asked for meanwhile says so, in time.
    flushed = program.ask(flush=1)
    assert flushed["answer"] is False and flushed["took"] < 2 and flushed["stats"]["pending"] == 20_000
    assert network.stored(sent) == 20_000
    timer = heal_after(network, 4)
    assert program.ask(flush=90)["answer"] is True
    timer.join()
    assert network.stored(sent) == sent
    assert program.ask(close=30)["stats"]["acknowledged"] == sent


def test_a_black_hole_for_the_answers_loses_nothing_and_nothing_is_said_to_be_there_that_was_not_answered_for(network):
    program = network.program("answer_timeout=2s&connect_timeout=1s&backoff=50ms..500ms")
    program.ask(send=1000)
    assert program.ask(flush=30)["answer"] is True
    network.link.faults = Faults(towards_near=False)
    sent = program.ask(send=1000)["sent"]
    flushed = program.ask(flush=1)
    assert flushed["answer"] is False and flushed["stats"]["acknowledged"] == 1000
    # Longer than the answer timeout: the connection is given up, and new ones find nobody.
    timer = heal_after(network, 5)
    assert program.ask(flush=90)["answer"] is True
    timer.join()
    assert network.stored(sent) == sent
    stats = program.ask(close=30)["stats"]
    assert (stats["acknowledged"], stats["dropped"]) == (sent, 0)
    assert stats["connects"] > 1 and stats["resent"] > 0


def test_close_in_a_black_hole_ends_in_time_and_counts_what_was_not_answered_for(network):
    program = network.program()
    program.ask(send=1000)
    assert program.ask(flush=30)["answer"] is True
    network.link.faults = DEAD
    program.ask(send=5000)
    closed = program.ask(close=1)
    stats = closed["stats"]
    assert closed["took"] < 2
    assert (stats["acknowledged"], stats["dropped_closed"], stats["pending"]) == (1000, 5000, 0)
    assert network.stored(6000) >= stats["acknowledged"]
