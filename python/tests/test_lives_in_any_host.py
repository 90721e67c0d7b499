"""In every kind of process that Python programs live in, each point is delivered exactly once.

Servers that fork their workers (gunicorn, uWSGI, Celery), daemons that close every descriptor, schedulers that replace
the standard library (gevent) or share one thread (asyncio). The server counts lines and the processes leave their
ledgers: both must name the same points. `os.fork` and `multiprocessing` are in test_forks.py, signals in
test_takes_signals.py. A host that is not installed is skipped, by name; scripts/test installs all.
"""

from __future__ import annotations

import collections
import signal
import sys
from pathlib import Path

import books
import pytest
from hosts import CELERY, REQUESTS, ask, celery_worker, host, installed, listener, program
from server import PATIENCE

__all__ = ["host"]

OPEN = """
import os, sys
import books
books.keep(os.environ["BOOKS"])
import potsdb
client = books.of(potsdb.Client("127.0.0.1", int(os.environ["PORT"]), 0, None, check_host=False))
"""


def count(server) -> collections.Counter[str]:
    """Points per metric; a line that came twice is an error."""
    twice = [line for line, times in collections.Counter(server.lines).items() if times > 1]
    assert not twice, f"{len(twice)} lines came more than once: {twice[:3]}"
    return collections.Counter(line.split()[1] for line in server.text)


# -- web servers that fork

WEB = OPEN + """
for n in range(100):
    client.send("before.fork", n, n=n, pid=os.getpid(), timestamp=1500000000)

def app(environ, start_response):
    n = int(environ["QUERY_STRING"])
    client.send("request", n, n=n, pid=os.getpid(), timestamp=1500000000)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]
"""

def every_worker_runs(server, points: int) -> None:
    """Waits for what the program sends when it is imported: a server is not asked to end while it still begins."""
    server.wait_until(lambda: sum(b" before.fork " in line for line in server.lines) == points)


def judge(server, folder: Path, expected: dict[str, int]) -> None:
    assert count(server) == expected
    assert books.delivered(folder) == sum(expected.values())


@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn_and_its_workers_deliver_when_it_is_terminated(host, server, tmp_path, preload):
    installed("gunicorn")
    with listener() as socket:
        options = ["--workers", "3", "--bind", f"fd://{socket.fileno()}", *(["--preload"] if preload else [])]
        web = host(
            server, {"web.py": WEB}, sys.executable, "-m", "gunicorn", *options, "web:app", listener=socket.fileno()
        )
        port = socket.getsockname()[1]
    ask(port)
    # Without --preload each worker imports the program, and sends its first points itself.
    before = 100 if preload else 300
    every_worker_runs(server, before)
    said = web.end()
    assert web.process.returncode == 0, said
    assert "potsdb:" not in said
    judge(server, tmp_path, {"before.fork": before, "request": REQUESTS})


@pytest.mark.parametrize(
    "options",
    [("--enable-threads",), ("--enable-threads", "--lazy-apps"), ()],
    ids=["forking", "lazy", "without-threads"],
)
def test_uwsgi_and_its_workers_deliver_when_it_is_terminated(host, server, tmp_path, options):
    uwsgi = program("uwsgi")
    home = ["--home", sys.prefix] if sys.prefix != sys.base_prefix else []
    shape = ["--master", "--processes", "3", "--need-app", "--die-on-term", "--http-socket", "127.0.0.1:0", "--disable-logging"]
    web = host(server, {"web.py": WEB}, uwsgi, *shape, *home, "--wsgi-file", "web.py", "--callable", "app", *options)
    port = int(web.wait_for(r"bound to TCP address 127\.0\.0\.1:(\d+)")[1])
    web.wait_for(r"spawned uWSGI worker 3 ")
    ask(port)
    before = 300 if "--lazy-apps" in options else 100
    every_worker_runs(server, before)
    said = web.end()
    assert "potsdb:" not in said, said
    assert count(server) == {"before.fork": before, "request": REQUESTS}
    # uWSGI's master runs no hook at its end: what it sent has arrived, but nobody writes its books.
    assert books.delivered(tmp_path) == REQUESTS + (before if "--lazy-apps" in options else 0)


# -- Celery

TASKS = OPEN + CELERY + """
client.send("parent", 1, a=1, timestamp=1500000000)

@app.task
def work(first, points):
    for n in range(first, first + points):
        client.send("task", n, n=n, pid=os.getpid(), timestamp=1500000000)
    print(f"done {first}", flush=True)

@signals.worker_process_shutdown.connect
def leave(**_):
    client.send("shutdown", 1, pid=os.getpid(), timestamp=1500000000)
    print("leaving", flush=True)

# After everybody else, the module's own hook included: billiard's pool ends in os._exit.
@signals.worker_process_init.connect
def begin(**_):
    signals.worker_process_shutdown.connect(books.write, weak=False)
"""


def test_celery_and_its_pool_deliver_each_tasks_points(host, server, tmp_path):
    celery = celery_worker(host, server, tmp_path, TASKS, 8, 125)
    for _ in range(8):
        celery.wait_for("done")
    said = celery.end()
    assert "potsdb:" not in said, said
    assert count(server) == {"parent": 1, "task": 1000, "shutdown": 2}
    assert books.delivered(tmp_path) == 1003


def test_celery_drains_its_pool_before_os_exit(host, late_server, tmp_path):
    # More than the kernel holds for a server that does not read: os._exit at once would lose most of it.
    celery = celery_worker(host, late_server, tmp_path, TASKS, 2, 100_000)
    celery.wait_for("done"), celery.wait_for("done")
    celery.process.send_signal(signal.SIGTERM)
    celery.wait_for("leaving"), celery.wait_for("leaving")
    late_server.read_again()
    said = celery.ends()
    assert "potsdb:" not in said, said
    assert count(late_server) == {"parent": 1, "task": 200_000, "shutdown": 2}
    assert books.delivered(tmp_path) == 200_003


# -- daemons

BY_HAND = """
def become_daemon():
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.closerange(0, 1024)
    assert [os.open(os.devnull, os.O_RDWR) for _ in range(3)] == [0, 1, 2]
"""

PYTHON_DAEMON = """
import daemon
def become_daemon():
    context = daemon.DaemonContext(working_directory="/", umask=0o022)
    context.open()
"""

WORK = """
for n in range(1000):
    client.send("daemon", n, n=n, timestamp=1500000000)
"""


@pytest.fixture(params=["by-hand", "python-daemon"])
def become_daemon(request) -> str:
    if request.param == "python-daemon":
        installed("daemon")
    return {"by-hand": BY_HAND, "python-daemon": PYTHON_DAEMON}[request.param]


def daemon(host, server, become_daemon: str, script: str) -> None:
    """Runs a daemon to its end, which its last connection's end tells: nobody is its parent."""
    started = host(server, {"daemon_.py": "import os, sys\n" + become_daemon + script}, sys.executable, "daemon_.py")
    # The descriptors of its output are closed by the daemon itself; the first process ends at once.
    assert started.ends() == ""


def test_a_daemon_that_makes_its_client_itself_delivers(host, server, tmp_path, become_daemon):
    daemon(host, server, become_daemon, "become_daemon()\n" + OPEN + WORK)
    server.wait_for(1000)
    server.wait_until_left()
    assert count(server) == {"daemon": 1000}
    assert wait_for_books(tmp_path) == 1000


def test_a_daemon_delivers_through_the_client_made_before_it_closed_every_descriptor(
    host, server, tmp_path, become_daemon
):
    before = """
for n in range(1000):
    client.send("before", n, n=n, timestamp=1500000000)
client.flush()
books.write()
become_daemon()
# What the daemon opens gets the numbers of the sockets that were closed.
mine = [open("/dev/null") for _ in range(50)]
"""
    after = """
assert client.flush(20)
del client
import gc
gc.collect()
for file in mine:
    os.fstat(file.fileno())
"""
    daemon(host, server, become_daemon, OPEN + before + WORK + after)
    server.wait_for(2000)
    server.wait_until_left()
    assert count(server) == {"before": 1000, "daemon": 1000}
    assert wait_for_books(tmp_path, 2) == 2000


def test_a_client_that_was_closed_before_takes_no_descriptor_of_the_daemon_with_it(host, server, tmp_path, become_daemon):
    script = """
old = potsdb.Client("127.0.0.1", int(os.environ["PORT"]), 0, None, check_host=False)
series = old.series("before", a=1)
series.send(1, 1500000000)
old.wait()
become_daemon()
mine = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
del old, series
import gc
gc.collect()
# The next client to be made lets go of those that have ended.
client = potsdb.Client("127.0.0.1", int(os.environ["PORT"]), 0, None, check_host=False)
lost = 0
for file in mine:
    try:
        os.fstat(file)
    except OSError:
        lost += 1
client.send("daemon", lost, a=1, timestamp=1500000000)
"""
    daemon(host, server, become_daemon, OPEN + script)
    server.wait_for(2)
    server.wait_until_left()
    assert server.text == ["put before 1500000000 1 a=1\n", "put daemon 1500000000 0 a=1\n"]


def wait_for_books(folder: Path, processes: int = 1) -> int:
    """A daemon's ledger, as soon as it is there: it is written after the last connection's end."""
    from server import until

    until(lambda: len(list(folder.glob("*.ledger"))) >= processes)
    until(lambda: all(path.read_text().endswith("}") for path in folder.glob("*.ledger")))
    return books.delivered(folder)


# -- schedulers

GEVENT = """
from gevent import monkey
{early}
""" + OPEN + """
{late}
import gevent
def work(who):
    for n in range(200):
        client.send("greenlet", n, who=who, timestamp=1500000000 + n)
        gevent.sleep(0)
gevent.joinall([gevent.spawn(work, who) for who in range(20)], raise_error=True)
if {flush}:
    assert client.flush(20) and len(client.stats().as_dict()) > 5
    child = os.fork()
    if child == 0:
        work("child")
        gevent.joinall([gevent.spawn(work, f"child.{{n}}") for n in range(3)], raise_error=True)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("early", [True, False], ids=["patched-before", "patched-after"])
@pytest.mark.parametrize("flush", [True, False], ids=["flushes-and-forks", "just-ends"])
def test_a_program_patched_by_gevent_delivers(host, server, tmp_path, early, flush):
    installed("gevent")
    patch = "monkey.patch_all()"
    script = GEVENT.format(early=patch if early else "", late="" if early else patch, flush=flush)
    program = host(server, {"program.py": script}, sys.executable, "-W", "ignore", "program.py")
    assert program.ends() == ""
    assert program.process.returncode == 0
    judge(server, tmp_path, {"greenlet": 4000 + (800 if flush else 0)})


ASYNCIO = OPEN + """
import asyncio

async def work(who):
    for n in range(100):
        client.send("task", n, who=who, timestamp=1500000000 + n)
        if n % 10 == 0:
            await client.aflush(0 if n % 20 else 20)
        await asyncio.sleep(0)

async def main():
    # Flushes that are given up half way: they take nothing from anybody.
    impatient = [asyncio.ensure_future(client.aflush()) for _ in range(20)]
    tasks = [asyncio.ensure_future(work(who)) for who in range(50)]
    await asyncio.sleep(0)
    for flush in impatient:
        flush.cancel()
    ended = await asyncio.gather(*impatient, return_exceptions=True)
    assert all(end is True or isinstance(end, asyncio.CancelledError) for end in ended), ended
    # A task that is cancelled between two sends: what it sent is sent.
    victim = asyncio.ensure_future(work("victim"))
    await asyncio.sleep(0)
    victim.cancel()
    await asyncio.gather(victim, return_exceptions=True)
    await asyncio.gather(*tasks)
    try:
        await asyncio.wait_for(client.aflush(), 20)
    except asyncio.TimeoutError:
        raise SystemExit("not flushed")
    # From another thread of the loop's pool, beside the loop.
    await asyncio.get_running_loop().run_in_executor(None, client.flush, 20)

asyncio.run(main())
print(client.stats().accepted)
"""


def test_tasks_of_asyncio_deliver_and_may_be_cancelled_in_a_flush(host, server, tmp_path):
    program = host(server, {"program.py": ASYNCIO}, sys.executable, "-X", "dev", "program.py")
    accepted = int(program.ends())
    assert accepted > 5000 and program.process.returncode == 0
    judge(server, tmp_path, {"task": accepted})
