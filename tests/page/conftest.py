"""A `potsdb serve`, and a browser that looks at its page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium, command

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """A server on a free port, and a connection to it."""

    def __init__(self, *options: str, port: int = 0) -> None:
        potsdb = os.environ.get("POTSDB_COMMAND", str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug/potsdb")))
        self.process = subprocess.Popen([potsdb, "serve", "--json", "--port", str(port), *options], stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.peer = self.connect()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def put(self, *lines: str) -> None:
        self.peer.sendall("".join(f"put {line}\n" for line in lines).encode())

    def ask(self, path: str, body: str | None = None, **fields: str) -> tuple[int, str]:
        """Status and text of an answer; a field's name has its `-` as `_`."""
        fields = {name.replace("_", "-"): text for name, text in fields.items()}
        request = urllib.request.Request(self.url + path, body and body.encode(), fields)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def close(self) -> dict[str, int]:
        """Ends it, and returns what it counted."""
        self.peer.close()
        self.process.terminate()
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    found = command()
    if found is None:
        pytest.skip("Chromium is missing (Debian: apt-get install chromium)")
    chromium = Chromium(found)
    yield chromium
    chromium.close()


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    server = Served(*getattr(request, "param", ()))
    yield server
    if server.process.poll() is None:
        server.close()
