"""A real `potsdb serve`, a folder in which the commands of a page find what they name, and the count of what was run."""

from __future__ import annotations

import collections
import gzip
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

COUNTS: collections.Counter[str] = collections.Counter()
REASONS: list[str] = []

POINTS = "web.requests 1767225600 1 path=/login\nput web.requests 1767225601 2 path=/login\n"

STAND_INS = "aws brew cargo chromium crontab curl-sh docker git journalctl kubectl pip rm-old scripts/test systemctl sudo xdg-open".split()
"""Commands that would change the machine or take minutes. Each is called, does nothing, and is counted."""


def command() -> str:
    """The built command."""
    found = os.environ.get("POTSDB_COMMAND") or shutil.which("potsdb")
    if found is None:
        pytest.fail("POTSDB_COMMAND does not name the built command potsdb; scripts/test builds it")
    return found


class Served:
    """A `potsdb serve` on a free port."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [command(), "serve", "--json", "--port", "0", *options], stdout=subprocess.PIPE, text=True
        )
        self.counts: dict[str, int] = {}
        assert self.process.stdout is not None
        self.port: int = json.loads(self.process.stdout.readline())["port"]

    def metrics(self) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/suggest?type=metrics&max=1000") as answer:
            return json.load(answer)

    def last(self, metric: str, **tags: str) -> float:
        """The last values of all series of a metric that have these tags, added up."""
        wanted = ",".join(f"{name}={value}" for name, value in tags.items())
        query = f"none:{metric}" + (f"%7B{wanted}%7D" if wanted else "")
        # The last state may stand a few seconds ahead: a series has one value a second.
        end = int(time.time()) + 3600
        url = f"http://127.0.0.1:{self.port}/api/query?start=1500000000&end={end}&m={query}"
        with urllib.request.urlopen(url) as answer:
            return sum(found["dps"][max(found["dps"], key=int)] for found in json.load(answer))

    def close(self) -> dict[str, int]:
        """Ends it; what it counted."""
        if self.counts:
            return self.counts
        self.process.terminate()
        assert self.process.stdout is not None
        self.counts = json.loads(self.process.stdout.read())
        self.process.wait()
        return self.counts


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


@pytest.fixture
def folder(tmp_path: Path, served: Served) -> Path:
    """A folder with the files that examples read, and on the PATH of `environment` what stands for commands."""
    (tmp_path / "points.log").write_text(POINTS)
    for day in ("monday", "tuesday"):
        with gzip.open(tmp_path / f"{day}.gz", "wt") as file:
            file.write(POINTS.replace("web.", f"{day}."))
    programs = tmp_path / "bin"
    programs.mkdir()
    _script(programs / "potsdb", f"exec {sys.executable} {HERE}/stand_in.py {command()} \"$@\"")
    _script(programs / "tail", "exec cat \"${@: -1}\"")
    for name in STAND_INS:
        path = programs / name
        path.parent.mkdir(exist_ok=True)
        _script(path, f"echo {name} >>\"$STOOD_IN\"")
    (tmp_path / "scripts").symlink_to(programs / "scripts")
    return tmp_path


def environment(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "POTSDB_URL": f"tsdb://127.0.0.1:{port}",
        "PORT": str(port),
        "STOOD_IN": str(folder / "stood-in"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def stood_in(folder: Path) -> None:
    """Counts the stand-ins that were called."""
    called = folder / "stood-in"
    if called.exists():
        for name in called.read_text().split():
            COUNTS[f"commands that only a stand-in took: {name}"] += 1
        called.unlink()


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def here(text: str, port: int, *, shell: bool = False) -> str:
    """The text with the server of the test in the place of the hosts that examples name; in shell they stand bare."""
    text = re.sub(r"\"localhost\", port=4242\b", f'"127.0.0.1", port={port}', text)
    text = re.sub(r"\"localhost\", 4242\b", f'"127.0.0.1", {port}', text)
    text = re.sub(r"\"localhost\"", f'"tsdb://127.0.0.1:{port}"', text)
    text = re.sub(r"\b(?:tsd1,tsd2|localhost,127\.0\.0\.1):4242", f"127.0.0.1,localhost:{port}", text)
    text = re.sub(r"\b(?:localhost|tsd\d?):424\d\b", f"127.0.0.1:{port}", text)
    text = re.sub(r"(?<=//)(?:localhost|tsd)(?=[/?\"\s])", f"127.0.0.1:{port}", text)
    return re.sub(r"(?<![\w./:@-])tsd(?![\w.:=/-])", f"127.0.0.1:{port}", text) if shell else text


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("code blocks and links of the READMEs, CONTRIBUTING.md and docs/")
    for what, count in sorted(COUNTS.items()):
        terminalreporter.write_line(f"{count:4} {what}")
    for reason in REASONS:
        terminalreporter.write_line(f"     not run: {reason}")
