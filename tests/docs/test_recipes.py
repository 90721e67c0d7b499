"""The recipes of docs/deployment.md do what the page says: the very files and commands that stand there."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from blocks import ROOT, Block, blocks
from conftest import environment
from potsdb.testing import Receiver

PATIENCE = 60
"""Seconds a wait may take before the test has failed: a bound, never a pause."""

PAGE = ROOT / "docs" / "deployment.md"
TITLED: dict[str, Block] = {block.title: block for block in blocks(PAGE) if block.title}
REQUESTS = 200

LISTENS = re.compile(r"(?:Listening at|bound to TCP address|running on)\D+127\.0\.0\.1:(\d+)")
"""How gunicorn, uWSGI and uvicorn say their port."""


class Running:
    """A program of a recipe. A server takes a free port, and says which."""

    def __init__(self, recipe: str, folder: Path, port: int, *more: str) -> None:
        words = shlex.split(TITLED[recipe].text)
        if shutil.which(words[0], path=environment(folder, port)["PATH"]) is None:
            pytest.skip(f"{words[0]} is not installed: python/test-requirements.txt and docs/requirements.txt name what is")
        words = [word.replace("8000", "0") for word in words] + list(more)
        self.said: list[str] = []
        self.port = 0
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env={**environment(folder, port), "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, pattern: str, times: int = 1) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            times -= bool(re.search(pattern, line))
            if listens := LISTENS.search(line):
                self.port = int(listens[1])
            if times == 0:
                return
        pytest.fail(f"it ended and never said {pattern!r}:\n{''.join(self.said)}")

    def ask(self, path: str = "/", requests: int = REQUESTS) -> None:
        """Requests from several connections at once, so that every worker gets some."""

        def some(_: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("GET", path, headers={"Connection": "close"})
            assert connection.getresponse().status == 200
            connection.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(some, range(requests)))

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=PATIENCE)
        self.said.append(out)
        said = "".join(self.said)
        assert "not delivered" not in said, said
        return said


@pytest.fixture
def start(files: Path, served) -> Iterator[Callable[..., Running]]:
    """Starts the program of a recipe: `start(title, *more)`."""
    running: list[Running] = []

    def start(recipe: str, *more: str) -> Running:
        running.append(Running(recipe, files, served.port, *more))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()


@pytest.fixture
def files(folder: Path) -> Path:
    for title, block in TITLED.items():
        if "." in title:
            (folder / title).write_text(block.text.replace("127.0.0.1:8000", "127.0.0.1:0"))
    return folder


def test_gunicorn_delivers_what_its_workers_counted(start, served):
    web = start("gunicorn")
    web.wait_for("Booting worker", 3)
    web.ask()
    web.end()
    assert served.last("web.requests") == REQUESTS


def test_uwsgi_delivers_what_its_workers_counted(start, served):
    home = ["--home", sys.prefix] if sys.prefix != sys.base_prefix else []
    web = start("uwsgi", *home)
    web.wait_for("spawned uWSGI worker 3 ")
    # Until each has answered: a worker of uWSGI that still begins when it is told to end does not end.
    asked, workers = 0, set()
    while len(workers) < 3:
        web.ask(requests=8)
        web.wait_for(r"\[pid: (\d+)", 8)
        asked += 8
        workers = set(re.findall(r"\[pid: (\d+)", "".join(web.said)))
        assert asked < 8000, web.said
    web.end()
    assert served.last("web.requests") == asked


def test_celery_delivers_what_its_pool_counted(start, files, served):
    folders = "{'data_folder_in': 'queue', 'data_folder_out': 'queue', 'control_folder': 'control'}"
    broker = f'broker="filesystem://")\napp.conf.broker_transport_options = {folders}'
    tasks = files / "tasks.py"
    # The test has no Redis: the queue is a folder. One write says when a task is done.
    tasks.write_text(
        tasks.read_text().replace('broker="redis://localhost")', broker) + '    print(f"done {name}\\n", end="", flush=True)\n'
    )
    (files / "queue").mkdir(), (files / "control").mkdir()
    given = "import tasks\nfor n in range(10): tasks.resize.delay(str(n))"
    asked = subprocess.run(
        [sys.executable, "-c", given], cwd=files, env={**environment(files, served.port)}, capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr
    quiet = "--without-gossip --without-mingle --without-heartbeat --loglevel WARNING".split()
    pool = start("celery", *quiet)
    pool.wait_for("done", 10)
    pool.end()
    assert served.last("tasks.done", task="resize") == 10


def test_fastapi_delivers_what_its_workers_measured(start, served):
    pytest.importorskip("fastapi")
    web = start("fastapi")
    web.wait_for("Application startup complete", 2)
    web.ask("/login")
    web.end()
    assert served.last("web.latency.count", method="GET") == REQUESTS


def test_djangos_middleware_measures_requests(files, served):
    pytest.importorskip("django")
    program = """
import django, middleware
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(MIDDLEWARE=["middleware.Measured"], ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
django.setup()
urlpatterns = [path("", lambda request: HttpResponse("ok"))]
from django.test import Client
assert Client().get("/").status_code == 200
"""
    _run(program, files, served.port)
    assert served.last("web.requests", status="200") == 1
    assert served.last("web.latency.count") == 1


@pytest.mark.parametrize("recipe", ["side-car.yaml", "daemon-set.yaml"])
def test_the_command_of_the_container_sends_what_is_appended_to_a_file(recipe, folder):
    found = yaml.safe_load(TITLED[recipe].text)
    pod = found["spec"].get("template", found)["spec"]
    words = next(container["command"] for container in pod["containers"] if "potsdb" in container["image"])
    points = folder / "points"
    points.mkdir()
    # The folder's own `tail` reads to the end of a file. This one follows it, and there is no /points here.
    (folder / "bin" / "tail").unlink()
    shell = [word.replace("/points/", f"{points}/").replace("$(NODE)", "node1") for word in words]
    log = points / "points.log"
    log.touch()
    with Receiver() as tsd:
        running = subprocess.Popen(
            shell,
            env={**environment(folder, 0), "POTSDB_URL": tsd.url},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            # With `-n 0` what is written before `tail` has opened the file is left out: so again and again.
            for second in itertools.count(1767225600):
                append(log, f"web.requests {second} 1 path=/login")
                try:
                    tsd.wait_for("web.requests", path="/login", timeout=0.5)
                    break
                except AssertionError:
                    assert running.poll() is None and second < 1767225600 + 2 * PATIENCE
            append(log, f"web.requests {second + 1} 2 path=/login")
            tsd.wait_for("web.requests", path="/login", last=2, timeout=PATIENCE)
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait()


def append(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(line + "\n")


def test_lambdas_handler_has_delivered_when_it_returns(files, served):
    program = """
import os, handler
assert handler.handler({"value": 7, "shop": "berlin"}, None) == {"ok": True}
os._exit(0)
"""
    _run(program, files, served.port)
    assert served.last("orders.value", shop="berlin") == 7


@pytest.mark.parametrize("unit", ["web.service", "collect.service", "spooling.service"])
def test_the_units_are_units(files, unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing (Debian: apt-get install systemd)")
    text = re.sub(r"(?m)^ExecStart=/usr/local/bin/web", "ExecStart=/bin/true", (files / unit).read_text())
    (files / unit).write_text(text)
    outcome = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(files / unit)], capture_output=True, text=True
    )
    said = [line for line in outcome.stderr.split("\n") if unit in line]
    assert not said, outcome.stderr


def _run(program: str, folder: Path, port: int) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**environment(folder, port)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert outcome.returncode == 0, outcome.stderr
