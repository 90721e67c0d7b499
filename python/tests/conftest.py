"""Servers, clients and child processes for all tests."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from no_skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks of pytest
from server import PATIENCE, Server

import potsdb

# Tests leave points undelivered on purpose; what is said about that at exit is tested in children.
atexit.unregister(potsdb._exit.drain)

# A script in the background (nohup, some CI runners) ignores Ctrl-C, and so would every child, whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def nothing_was_said_before() -> None:
    """What a test does not see of refused points is not told in the next one."""
    potsdb._records._forget()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def silent_server() -> Iterator[Server]:
    server = Server(answers=False)
    yield server
    server.close()


@pytest.fixture
def stuck_server() -> Iterator[Server]:
    server = Server(answers=False, reads=False)
    yield server
    server.close()


@pytest.fixture
def late_server() -> Iterator[Server]:
    """Answers, but reads nothing before `read_again`: what is sent before piles up in the client."""
    server = Server(reads=False)
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Iterator[potsdb.Client]:
    """A client of `server`, without automatic host tag; its books must balance in the end."""
    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    yield client
    client.stop()
    assert_balanced(client.stats())


def assert_balanced(stats: potsdb.Stats) -> None:
    assert stats.accepted + stats.adopted == (
        stats.acknowledged + stats.unconfirmed + stats.rejected + stats.dropped + stats.pending
    ), stats.as_dict()


@pytest.fixture
def offline() -> Iterator[potsdb.Client]:
    """A client in test mode: it takes points and talks to nobody."""
    client = potsdb.Client("localhost", host_tag="h", check_host=False, test_mode=True)
    yield client
    client.stop()


class Child:
    """A Python process of its own, running a script that imports what it needs."""

    def __init__(self, script: str, *arguments: object, options: tuple[str, ...] = ()) -> None:
        # A file and not -c: children that spawn need a main module they can import.
        self.process = subprocess.Popen(
            [sys.executable, *options, script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """The next line of its output: how a child says how far it is."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def finish(self, timeout: float = PATIENCE) -> tuple[int, str, str]:
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"the child did not end within {timeout} s\n{out}\n{err}")
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    """Starts a child: `start(script, *arguments)`."""
    children: list[Child] = []

    def start(script: str, *arguments: object, options: tuple[str, ...] = ()) -> Child:
        path = tmp_path / f"script{len(children)}.py"
        path.write_text(textwrap.dedent(script))
        children.append(Child(str(path), *arguments, options=options))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
            child.process.communicate()


@pytest.fixture
def run(start):
    """Runs a child to its end, which must be a good one: gives its output and its errors."""

    def run(script: str, *arguments: object, options: tuple[str, ...] = ()) -> tuple[str, str]:
        status, out, err = start(script, *arguments, options=options).finish()
        assert status == 0, err
        return out, err

    return run


class Old:
    """potsdb 1.0.3 itself, in the interpreter it is installed in, driven line by line."""

    def __init__(self, python: str, port: int) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / "old.py"), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **question: object) -> dict:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def old_python() -> str:
    python = os.environ.get("POTSDB_OLD_PYTHON")
    if python is None:
        pytest.skip("POTSDB_OLD_PYTHON does not say where potsdb 1.0.3 is installed; scripts/test makes such a place")
    return python
