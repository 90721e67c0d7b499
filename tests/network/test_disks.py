"""A disk that fills and is freed again, under a spool: sending goes on, nothing that was called safe is lost, and it recovers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# A disk that refused lines is tried again after 30 s.
RECOVERS = 60.0


def why_not() -> str | None:
    """Why this cannot run here."""
    if os.geteuid() != 0:
        return "a disk of one's own needs root"
    if shutil.which("unshare") is None:
        return "unshare (util-linux) is missing"
    return None


pytestmark = pytest.mark.skipif((reason := why_not()) is not None, reason=str(reason))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Program:
    """`program.py` with a spool on a small file system that nobody else sees."""

    def __init__(self, folder: Path, port: int) -> None:
        self.disk = folder / "disk"
        self.disk.mkdir()
        url = f"tsdb://127.0.0.1:{port}?backoff=10ms..100ms&spool={self.disk}/spool&spool_free=0&spool_bytes=32MiB"
        # Where the oldest points may go, those that were safe may, too.
        url += "&overflow=drop_newest"
        mount = f"mount -t tmpfs -o size=16m tmpfs {self.disk} && exec \"$@\""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh"]
        command += [sys.executable, str(HERE / "program.py"), url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question: object) -> dict:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        stats = answer["stats"]
        known = sum(stats[name] for name in ("acknowledged", "unconfirmed", "rejected", "dropped", "pending"))
        assert stats["accepted"] + stats["adopted"] == known, stats
        return answer

    def fill(self) -> Path:
        """Takes all the room there is, as the program's file system sees it."""
        # The file system is the namespace's: seen through the program's root.
        junk = Path(f"/proc/{self.process.pid}/root{self.disk}/junk")
        with junk.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        return junk


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[Program, int]]:
    port = free_port()
    program = Program(tmp_path, port)
    yield program, port
    program.process.kill()
    program.process.communicate()


def test_a_disk_that_fills_costs_nothing_and_is_used_again_when_it_has_room(
    program: tuple[Program, int], tmp_path: Path
) -> None:
    sender, port = program
    assert sender.ask(send=5_000)["sent"] == 5_000
    assert sender.ask(sync=30)["answer"], "the disk works"
    junk = sender.fill()
    answer = sender.ask(send=200_000)
    assert answer["stats"]["dropped"] == 0 and answer["took"] < 30
    answer = sender.ask(sync=2)
    assert not answer["answer"], "what is in memory alone is not safe"
    junk.unlink()
    deadline = time.monotonic() + RECOVERS
    while not sender.ask(sync=5)["answer"]:
        assert time.monotonic() < deadline, "it does not recover"
    journal = tmp_path / "journal"
    command = [os.environ["POTSDB_COMMAND"], "serve", "--json", "--port", str(port), "--journal", str(journal)]
    store = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert sender.ask(flush=60)["answer"]
        assert sender.ask(send=1)["sent"] == 205_001
        stats = sender.ask(close=60)["stats"]
        assert stats["dropped"] == 0 and stats["pending"] == 0, stats
        lines = journal.read_text().splitlines()
        assert set(lines) == {f"put m {1_500_000_000 + n} {n} a=1" for n in range(205_001)}
    finally:
        store.kill()
        store.communicate()
