"""`worker_tag`: the processes of one program have small numbers, and no two of them have one at the same time.

So series of theirs never meet in the store, and a sum over the numbers is what the program did.
"""

from __future__ import annotations

import re
import sys

import pytest
from hosts import CELERY, REQUESTS, ask, celery_worker, host, installed, listener

__all__ = ["host"]

POINT = re.compile(r"put (\S+) (\d+) (\d+) .*\bworker=(\d+)\n")


def values(server, metric: str) -> dict[int, int]:
    """The newest value of a metric by the number of the process, as the points arrived."""
    points = [POINT.fullmatch(line) for line in server.text]
    return {int(point[4]): int(point[3]) for point in points if point is not None and point[1] == metric}


def test_a_child_has_a_number_of_its_own_also_on_the_series_of_its_parent(run, server):
    script = """
    import os, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, worker_tag="worker")
    series = client.series("m", a=1)
    lines = client.series("own", worker="x")
    def send(value):
        client.send("m", value, a=1, timestamp=1500000000)
        series.send(value, timestamp=1500000001)
        lines.send(value, timestamp=1500000002 + value)
    send(0)
    child = os.fork()
    if child == 0:
        send(1)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    """
    run(script, server.port, options=("-W", "ignore:This process:DeprecationWarning"))
    assert sorted(server.text) == [
        "put m 1500000000 0 a=1 worker=0\n",
        "put m 1500000000 1 a=1 worker=1\n",
        "put m 1500000001 0 a=1 worker=0\n",
        "put m 1500000001 1 a=1 worker=1\n",
        "put own 1500000002 0 worker=x\n",
        "put own 1500000003 1 worker=x\n",
    ]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_number_is_used_again_when_its_process_has_ended(run, server, method):
    script = """
    import multiprocessing, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, worker_tag="worker")

    def work(value, pipe):
        client.send("m", value, timestamp=1500000000 + value)
        client.flush(10)
        pipe.send("sent")
        pipe.recv()

    class Child:
        def __init__(self, value):
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=work, args=(value, theirs))
            self.process.start()
            assert self.pipe.recv() == "sent"

        def end(self):
            self.pipe.send("end")
            self.process.join()

    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[2])
        client.send("m", 9, timestamp=1500000000)
        first, second = Child(1), Child(2)
        first.end()
        third = Child(3)
        second.end(), third.end()
    """
    run(script, server.port, method, options=("-W", "ignore:This process:DeprecationWarning"))
    arrived = [POINT.fullmatch(line) for line in server.text]
    assert sorted((int(point[3]), int(point[4])) for point in arrived if point) == [(1, 1), (2, 2), (3, 1), (9, 0)]


COUNTS = {
    "instruments": """
    client.counter("runs", of="five").add(7)
    """,
    "prometheus": """
    import prometheus_client
    from potsdb.prometheus import Bridge
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("runs", "", ["of"], registry=registry).labels("five").inc(7)
    Bridge(client, registry).start()
    """,
    "otel": """
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from potsdb.otel import MetricExporter
    reader = PeriodicExportingMetricReader(MetricExporter(client), 3_600_000)
    MeterProvider([reader]).get_meter("m").create_counter("runs").add(7, {"of": "five"})
    """,
}


@pytest.mark.parametrize("counts", COUNTS)
def test_what_begins_again_at_once_overwrites_no_last_total(run, server, counts):
    if counts != "instruments":
        pytest.importorskip({"prometheus": "prometheus_client", "otel": "opentelemetry.sdk"}[counts])
    script = """
    import subprocess, sys
    if len(sys.argv) == 2:
        for _ in range(5):
            subprocess.run([sys.executable, *sys.argv, "again"], check=True, timeout=60)
        sys.exit()
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, worker_tag="worker")
    """ + COUNTS[counts]
    run(script, server.port)
    cells = [(line.split()[2], line.split("worker=")[1]) for line in server.text]
    assert len(set(cells)) == len(cells) == 10, server.text
    assert [line.split()[3] for line in server.text].count("7") == 5


WEB = """
import os
import potsdb
client = potsdb.Client("127.0.0.1", int(os.environ["PORT"]), host_tag=None, check_host=False, worker_tag="worker")
requests = client.counter("requests", path="/")

def app(environ, start_response):
    requests.add()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]
"""


@pytest.mark.parametrize("preload", [True, False])
def test_the_counters_of_gunicorns_workers_add_up_also_after_a_restart(host, server, preload):
    installed("gunicorn")
    for run in (1, 2):
        with listener() as socket:
            options = ["--workers", "3", "--bind", f"fd://{socket.fileno()}", *(["--preload"] if preload else [])]
            web = host(
                server, {"web.py": WEB}, sys.executable, "-m", "gunicorn", *options, "web:app", listener=socket.fileno()
            )
            ask(socket.getsockname()[1])
        said = web.end()
        assert web.process.returncode == 0, said
        server.wait_until_left()
        counted = values(server, "requests")
        # A number is not used again in the second of its last point, so there may be twice as many.
        assert len(counted) <= 3 and max(counted) < 20, counted
        assert sum(counted.values()) == REQUESTS, (run, counted)
        server.lines.clear()


def kept(server, metric: str) -> int:
    """What a store has of a counter, restarts and overwritten values included: the sum of how its totals rose."""
    cells: dict[int, dict[int, int]] = {}
    for point in filter(None, map(POINT.fullmatch, server.text)):
        if point[1] == metric:
            cells.setdefault(int(point[4]), {})[int(point[2])] = int(point[3])
    counted = 0
    for totals in cells.values():
        in_order = [totals[at] for at in sorted(totals)]
        counted += sum(now - before if now >= before else now for before, now in zip([0, *in_order], in_order, strict=False))
    return counted


def test_no_request_is_lost_when_gunicorn_replaces_its_workers_all_the_time(host, server):
    installed("gunicorn")
    with listener() as socket:
        options = ["--workers", "3", "--max-requests", "20", "--bind", f"fd://{socket.fileno()}"]
        web = host(
            server, {"web.py": WEB}, sys.executable, "-m", "gunicorn", *options, "web:app", listener=socket.fileno()
        )
        ask(socket.getsockname()[1])
    said = web.end()
    assert web.process.returncode == 0, said
    server.wait_until_left()
    assert kept(server, "requests") == REQUESTS, server.text


TASKS = CELERY + """
import os
import potsdb
client = potsdb.Client("127.0.0.1", int(os.environ["PORT"]), host_tag=None, check_host=False, worker_tag="worker")
done = client.counter("done", queue="tests")

@app.task
def work(first, points):
    done.add(points)
    print(f"done {first}", flush=True)
"""


def test_the_counters_of_celerys_pool_add_up(host, server, tmp_path):
    celery = celery_worker(host, server, tmp_path, TASKS, 8, 125)
    for _ in range(8):
        celery.wait_for("done")
    said = celery.end()
    assert "potsdb:" not in said, said
    counted = values(server, "done")
    assert len(counted) <= 2 and sum(counted.values()) == 1000, counted


def test_a_daemon_that_closed_all_descriptors_closes_none_of_its_own_files(run, server):
    script = """
    import os, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, worker_tag="worker")
    client.send("m", 0, timestamp=1500000000)
    client.flush(10)
    if os.fork() == 0:
        os.closerange(3, 1024)
        mine = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
        client.send("m", 1, timestamp=1500000000)
        assert client.flush(10)
        for file in mine:
            os.fstat(file)
        os._exit(0)
    assert os.wait()[1] == 0
    """
    run(script, server.port, options=("-W", "ignore:This process:DeprecationWarning"))
    assert values(server, "m") == {0: 0, 1: 1}


def test_a_program_that_becomes_a_daemon_keeps_its_number(run, server):
    script = """
    import os, sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, worker_tag="worker")
    client.send("m", 0, timestamp=1500000000)
    client.flush(10)
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:
        os.sched_yield()
    client.send("m", 1, timestamp=1500000001)
    client.flush(10)
    """
    run(script, server.port, options=("-W", "ignore:This process:DeprecationWarning"))
    assert [line.split("worker=")[1] for line in server.text] == ["0\n", "0\n"]
