"""Against the real receiver (`potsdb serve`), which stores, answers queries, and misbehaves on request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from server import PATIENCE

import potsdb


class Receiver:
    def __init__(self, command: str, *faults: str) -> None:
        self._process = subprocess.Popen(
            [command, "serve", "--port", "0", "--json", *faults], stdout=subprocess.PIPE, text=True
        )
        self._where = json.loads(self._line())

    @property
    def port(self) -> int:
        return self._where["port"]

    def stored(self, metric: str) -> dict[int, float]:
        """Every stored point of a metric, by its time."""
        query = f"{self._where['http']}/api/query?start=1400000000&end=1700000000&m=none:{metric}"
        with urllib.request.urlopen(query, timeout=PATIENCE) as answer:
            every = [item for series in json.load(answer) for item in series["dps"].items()]
        assert len(every) == len(dict(every))
        return {int(time): value for time, value in every}

    def stop(self) -> dict[str, int]:
        """Ends it, and gives what it counted."""
        self._process.send_signal(signal.SIGTERM)
        counts = json.loads(self._line())
        self._process.communicate(timeout=PATIENCE)
        return counts

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def receive() -> Iterator[object]:
    command = os.environ.get("POTSDB_COMMAND")
    if command is None:
        pytest.skip("POTSDB_COMMAND does not say where the command is built; scripts/test builds it")
    started: list[Receiver] = []

    def receive(*faults: str) -> Receiver:
        started.append(Receiver(command, *faults))
        return started[-1]

    yield receive
    for receiver in started:
        receiver.kill()


def fill(client: potsdb.Client, points: int) -> dict[int, float]:
    for i in range(points):
        assert client.send("m", i, a=1, timestamp=1500000000 + i) is not None
    return {1500000000 + i: i for i in range(points)}


def test_everything_sent_is_stored(receive):
    receiver = receive()
    with potsdb.Client("127.0.0.1", receiver.port) as client:
        sent = fill(client, 50000)
    assert client.stats().acknowledged == 50000
    assert receiver.stored("m") == sent
    assert receiver.stop()["duplicates"] == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_connection_reset_at_random_places_loses_nothing(receive, seed):
    receiver = receive("--reset-after", f"{seed}:200000:10")
    client = potsdb.Client("127.0.0.1", receiver.port, check_host=False, backoff="1ms..20ms")
    sent = fill(client, 50000)
    stats = client.close(PATIENCE)
    assert (stats.acknowledged, stats.dropped, stats.rejected) == (50000, 0, 0), stats.as_dict()
    assert stats.connects > 1 and stats.resent > 0
    assert receiver.stored("m") == sent
    counts = receiver.stop()
    assert counts["conflicts"] == counts["respelled"] == 0, "what is written twice is written byte for byte the same"


def test_a_server_that_stops_answering_holds_nobody(receive):
    receiver = receive("--stall-answers")
    client = potsdb.Client("127.0.0.1", receiver.port, check_host=False)
    fill(client, 1000)
    stats = client.close(0.2)
    assert stats.pending == 0 and stats.accepted == stats.delivered + stats.dropped == 1000
    assert receiver.stop()["torn"] == 0, "whole lines only"


def test_a_metric_the_server_does_not_know_is_rejected_in_its_words(receive):
    receiver = receive("--known-metrics", "m")
    client = potsdb.Client("127.0.0.1", receiver.port)
    fill(client, 10)
    client.send("unheard.of", 1)
    stats = client.close(PATIENCE)
    assert (stats.acknowledged, stats.rejected) == (10, 1)
    assert "unheard.of" in stats.last_rejections[-1]
