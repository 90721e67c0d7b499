"""Programs that run other programs in processes of theirs: started in a folder, heard, asked and ended."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server import PATIENCE

HERE = Path(__file__).parent


def installed(module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed: python/test-requirements.txt names it")


def program(name: str) -> str:
    """A command of the environment the tests run in."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        pytest.skip(f"{name} is not installed: python/test-requirements.txt names it")
    return path


class Host:
    """A program of others, with one of ours in it; its output is one stream of lines."""

    def __init__(self, folder: Path, port: int, *command: str, listener: int | None = None) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=() if listener is None else (listener,),
            # PYTHONPATH: the program's own folder, and that of `books`.
            env={**os.environ, "BOOKS": str(folder), "PORT": str(port), "PYTHONPATH": f"{folder}:{HERE}"},
        )

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The line that says so; the end of the output, or of the test's time, if none does."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"it ended and never said {pattern!r}:\n{''.join(self.said)}")

    def ends(self) -> str:
        """Waits for its end, however it comes; what it said."""
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.said.append(self.process.communicate(timeout=PATIENCE)[0])
        return "".join(self.said)

    def end(self, how: signal.Signals = signal.SIGTERM) -> str:
        self.process.send_signal(how)
        return self.ends()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[object]:
    """Starts a host in a folder with our program in it: `host(server, sources, *command)`."""
    hosts: list[Host] = []

    def host(server, sources: dict[str, str], *command: str, listener: int | None = None) -> Host:
        for name, source in sources.items():
            (tmp_path / name).write_text(source)
        hosts.append(Host(tmp_path, server.port, *command, listener=listener))
        return hosts[-1]

    yield host
    for each in hosts:
        each.process.kill()
        # Shown if the test failed.
        print(each.ends())


REQUESTS = 400


def ask(port: int) -> None:
    """Requests, each a point, from several connections at once, so that every worker gets some."""

    def some(first: int) -> None:
        for n in range(first, REQUESTS, 8):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", f"/?{n}", headers={"Connection": "close"})
            assert connection.getresponse().status == 200
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))


def listener():
    """A socket for a server to inherit: whoever asks early waits in its backlog."""
    import socket

    return socket.create_server(("127.0.0.1", 0), backlog=128)


CELERY = """
import celery
from celery import signals

app = celery.Celery("tasks", broker="filesystem://", backend=None)
app.conf.update(
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"},
    task_ignore_result=True, worker_hijack_root_logger=False, worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True, worker_enable_remote_control=False,
)
"""
"""The head of a program of tasks, whose queue is a folder."""

QUEUE = """
import os, sys
os.makedirs("queue", exist_ok=True), os.makedirs("control", exist_ok=True)
import celery
app = celery.Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
for n in range(int(sys.argv[1])):
    app.send_task("tasks.work", (n * int(sys.argv[2]), int(sys.argv[2])))
"""


def celery_worker(host, server, folder: Path, program: str, tasks: int, points: int) -> Host:
    """Starts a pool of two with so many tasks in its queue, each `tasks.work(first, points)` of the program."""
    installed("celery")
    (folder / "enqueue.py").write_text(QUEUE)
    subprocess.run([sys.executable, "enqueue.py", str(tasks), str(points)], cwd=folder, check=True, timeout=PATIENCE)
    command = ["-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return host(server, {"tasks.py": program}, sys.executable, *command, *quiet)
