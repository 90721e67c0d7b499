"""Every program of examples/python and of the crates' examples sends what it says, started as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import ROOT
from conftest import Served, environment

PATIENCE = 60
"""Seconds a program may take before the test has failed: a bound, never a pause."""

PYTHON = ROOT / "examples" / "python"
BUILT = Path(os.environ.get("POTSDB_EXAMPLES") or ROOT / "target" / "debug" / "examples")
"""Where cargo has built the crates' examples."""

SENT = {
    "agent.py": ("agent.render.count", {}, 1),
    "backup.py": ("backup.seconds", {"job": "nightly"}, None),
    "logs.py": ("log.records", {"level": "error", "logger": "web.login"}, 100),
    "otel.py": ("web.requests", {"path": "/login"}, 100),
    "prometheus.py": ("web_requests_total", {"path": "/login"}, 100),
    "statsd.py": ("web.requests", {}, 100),
    "cron": ("backup.seconds", {"job": "nightly"}, None),
    "events": ("web.requests", {}, 100),
    "pages": ("web.requests", {}, 100),
    "statics": ("shop.orders", {"shop": "berlin"}, 100),
    "web": ("web.requests", {}, 100),
}
"""Programs that end: a series, and the total of its last values where it is the same each time."""

UNTIL_SIGTERM = {"service.py": 143, "service": 0}
"""Programs that run until SIGTERM, and how they end then."""

ELSEWHERE = {"gunicorn.conf.py", "tasks.py", "web.py"}
"""Programs of test_recipes.py."""


def test_no_program_is_left_out():
    files = {path.name for path in PYTHON.glob("*.py")}
    assert files == {name for name in SENT | UNTIL_SIGTERM if name.endswith(".py")} | ELSEWHERE
    listed = (ROOT / "examples" / "README.md").read_text()
    assert [name for name in sorted(files) if f"(python/{name})" not in listed] == []
    crates = {path.stem for path in ROOT.glob("crates/*/examples/*.rs")} - {"load"}  # a tool, and no example of the client
    assert crates == {name for name in SENT | UNTIL_SIGTERM if not name.endswith(".py")}


def command(program: str, port: int) -> list[str | Path]:
    if program.endswith(".py"):
        return [sys.executable, PYTHON / program]
    built = BUILT / program
    assert built.exists(), f"{built} is not built: cargo build --workspace --examples, or POTSDB_EXAMPLES=..."
    return [built, f"tsdb://127.0.0.1:{port}"]


@pytest.mark.parametrize("program", SENT)
def test_a_program_that_ends_has_delivered(program: str, folder: Path, served: Served):
    outcome = subprocess.run(
        command(program, served.port),
        cwd=folder,
        env=environment(folder, served.port),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (outcome.returncode, outcome.stdout) == (0, ""), outcome.stderr
    metric, tags, total = SENT[program]
    found = served.last(metric, **tags)
    assert found == total if total is not None else found >= 0


@pytest.mark.parametrize("program", UNTIL_SIGTERM)
def test_a_service_delivers_when_sigterm_ends_it(program: str, folder: Path, served: Served):
    process = subprocess.Popen(
        command(program, served.port),
        cwd=folder,
        env=environment(folder, served.port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, said) == (UNTIL_SIGTERM[program], "")
    assert served.last("service.starts") == 1


@pytest.mark.parametrize("program", ["backup.py", "cron"])
def test_a_job_fails_if_its_point_did_not_arrive(program: str, folder: Path):
    # A port that is taken, and on which nothing listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        outcome = subprocess.run(
            command(program, port),
            cwd=folder,
            env=environment(folder, port),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert outcome.returncode == 1, outcome.stderr
    assert "1 accepted" in outcome.stderr, outcome.stderr
