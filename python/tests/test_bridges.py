"""Bridges: what another library counts arrives as what instruments count, in every kind of process, however it ends."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hosts import REQUESTS, ask, host, installed, listener  # noqa: F401
from server import PATIENCE
from test_outlives_a_bad_server import receive  # noqa: F401

import potsdb

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "python"
BRIDGES = ["prometheus", "otel", "statsd", "logs"]
NEEDS = {"prometheus": "prometheus_client", "otel": "opentelemetry.sdk.metrics"}
TAGS = {"path": "/login"}
FORKS = ("-W", "ignore:This process:DeprecationWarning")

# -- one table of inputs, and of the points that they become

ROUNDS = [
    {"hits": [1, 2], "load": [7], "took": [0.25, 0.5, 0.5, 4]},
    {"hits": [4], "load": [8, 2.5], "took": []},
]
"""What is counted, set and recorded before the first push, and before the second."""

TABLE = [
    # The series of instruments, its values and how far those of a bridge may be from them. Then the series of bridges that
    # call it otherwise; None: it has no such series.
    ("hits", [0, 3, 7], 0, {"prometheus": "hits_total"}),
    ("load", [7, 2.5], 0, {}),
    ("took.count", [0, 4], 0, {"prometheus": "took_count"}),
    ("took.sum", [0, 5.25], 0, {"prometheus": "took_sum"}),
    # prometheus_client keeps no extremes.
    ("took.min", [0.25], 0, {"prometheus": None}),
    ("took.max", [4], 0, {"prometheus": None}),
    # Of buckets they are estimated: within the bounds of one.
    ("took.p50", [0.5], 0.25, {"prometheus": "took quantile=0.5"}),
    ("took.p99", [4], 0.5, {"prometheus": "took quantile=0.99"}),
]
BOUNDS = [0.25, 0.5, 1, 2, 4]
QUANTILES = [0.5, 0.99]


def by_instruments(client, rounds):
    of = potsdb.Instruments(client, quantiles=QUANTILES)
    for given in rounds:
        [of.counter("hits", tags=TAGS).add(n) for n in given["hits"]]
        [of.gauge("load", tags=TAGS).set(n) for n in given["load"]]
        [of.histogram("took", tags=TAGS).record(n) for n in given["took"]]
        assert client.flush(PATIENCE)


def by_prometheus(client, rounds):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    from potsdb.prometheus import Bridge

    registry = CollectorRegistry()
    hits = Counter("hits", "Hits.", ["path"], registry=registry).labels(**TAGS)
    load = Gauge("load", "Load.", ["path"], registry=registry).labels(**TAGS)
    took = Histogram("took", "Took.", ["path"], registry=registry, buckets=BOUNDS).labels(**TAGS)
    bridge = Bridge(client, registry, buckets="percentiles", quantiles=QUANTILES)
    for given in rounds:
        [hits.inc(n) for n in given["hits"]]
        [load.set(n) for n in given["load"]]
        [took.observe(n) for n in given["took"]]
        assert bridge.push() > 0


def by_otel(client, rounds, view=None):
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    from potsdb.otel import MetricExporter

    view = view or ExplicitBucketHistogramAggregation(BOUNDS)
    reader = PeriodicExportingMetricReader(MetricExporter(client, quantiles=QUANTILES), 3_600_000)
    provider = MeterProvider([reader], views=[View(instrument_name="took", aggregation=view)])
    meter = provider.get_meter("test")
    hits, load, took = meter.create_counter("hits"), meter.create_gauge("load"), meter.create_histogram("took")
    for given in rounds:
        [hits.add(n, TAGS) for n in given["hits"]]
        [load.set(n, TAGS) for n in given["load"]]
        [took.record(n, TAGS) for n in given["took"]]
        assert provider.force_flush()
    # So that its last collection, at the end, is not another round.
    reader._shutdown_event.set()
    reader._daemon_thread.join()


def by_otel_exponential(client, rounds):
    from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

    by_otel(client, rounds, ExponentialBucketHistogramAggregation())


def by_statsd(client, rounds):
    from potsdb.statsd import StatsClient

    statsd = StatsClient(client=client, tags=TAGS)
    for given in rounds:
        [statsd.incr("hits", n) for n in given["hits"]]
        [statsd.gauge("load", n) for n in given["load"]]
        [statsd.timing("took", n) for n in given["took"]]
        assert client.flush(PATIENCE)


def read(receiver, metric: str) -> dict[str, list[float]]:
    """The stored values of a metric, by its tags but `path`, in the order of time.

    What is said again is left out: instruments do so at a tick, which may come, and libraries at each push.
    """
    now = int(time.time())
    query = f"{receiver._where['http']}/api/query?start={now - 3600}&end={now + 60}&m=none:{metric}"
    try:
        with urllib.request.urlopen(query, timeout=PATIENCE) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError:
        return {}  # it has no such metric
    assert all(series["tags"].pop("path") == "/login" for series in found)
    return {
        " ".join([metric, *(f"{tag}={value}" for tag, value in series["tags"].items())]): [
            value for value, _ in itertools.groupby(series["dps"][at] for at in sorted(series["dps"], key=int))
        ]
        for series in found
    }


@pytest.mark.parametrize(
    "play", [by_instruments, by_prometheus, by_otel, by_otel_exponential, by_statsd], ids=lambda play: play.__name__
)
def test_the_same_input_makes_the_same_points(receive, play):  # noqa: F811
    bridge = play.__name__.split("_")[1]
    installed(NEEDS.get(bridge, "potsdb"))
    receiver = receive()
    client = potsdb.Client("127.0.0.1", receiver.port, host_tag=None)
    play(client, ROUNDS)
    stats = client.close(PATIENCE)
    assert stats.acknowledged == stats.accepted > 0 and stats.repeated == stats.invalid == 0, stats.as_dict()
    for series, values, apart, differences in TABLE:
        differs = differences.get(bridge, series)
        if differs is None:
            continue
        stored = read(receiver, differs.split()[0])
        tolerance = {"abs": apart} if apart and bridge in NEEDS else {"rel": 0.01}
        assert stored.get(differs) == [pytest.approx(value, **tolerance) for value in values], (differs, stored)


def test_units_and_meanings_are_kept(offline):
    installed("prometheus_client")
    from prometheus_client import CollectorRegistry, Counter

    from potsdb.prometheus import Bridge

    registry = CollectorRegistry()
    Counter("sent", "What was sent.", unit="bytes", registry=registry)
    Bridge(offline, registry).push()
    assert offline.instruments.descriptions() == {"sent_bytes_total": {"kind": None, "unit": "bytes", "text": "What was sent."}}


def test_the_bridges_need_nothing_but_their_library():
    place = str(Path(potsdb.__file__).parent.parent)
    script = f"import sys; sys.path.append({place!r}); import potsdb.statsd, potsdb.logs, potsdb._buckets, potsdb._turns"
    child = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (child.returncode, child.stderr) == (0, "")


# -- examples

@pytest.mark.parametrize("name", BRIDGES)
def test_the_example_delivers_and_has_at_most_twenty_lines(server, name):
    installed(NEEDS.get(name, "potsdb"))
    example = EXAMPLES / f"{name}.py"
    assert len(example.read_text().splitlines()) <= 20
    child = subprocess.run(
        [sys.executable, str(example)],
        env={**os.environ, "POTSDB_URL": f"tsdb://127.0.0.1:{server.port}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (child.returncode, child.stdout) == (0, ""), child.stderr
    assert not [line for line in child.stderr.splitlines() if line.startswith("potsdb:")]
    metric = {"prometheus": "web_requests_total", "logs": "log.records"}.get(name, "web.requests")
    assert [line.split()[3] for line in server.text if line.split()[1] == metric][-1] == "100"


# -- forks, hosts, ends

HEAD = """
    import os, sys, signal, logging
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False, tags={"pid": os.getpid()})
"""

COUNT = {
    "prometheus": """
    from prometheus_client import CollectorRegistry, Counter
    from potsdb.prometheus import Bridge
    registry = CollectorRegistry()
    hits = Counter("hits", "Hits.", registry=registry)
    bridge = Bridge(client, registry)
    bridge.start(3600)
    def count(): hits.inc()
    """,
    "otel": """
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from potsdb.otel import MetricExporter
    provider = MeterProvider([PeriodicExportingMetricReader(MetricExporter(client), 3_600_000)])
    hits = provider.get_meter("test").create_counter("hits")
    def count(): hits.add(1)
    """,
    "statsd": """
    from potsdb.statsd import StatsClient
    statsd = StatsClient(client=client, interval=3600)
    def count(): statsd.incr("hits")
    """,
    "logs": """
    from potsdb.logs import Handler
    logger = logging.getLogger("web")
    logger.propagate = False
    logger.addHandler(Handler(client, "hits", interval=3600))
    def count(): logger.error("counted")
    """,
}


def hits(server) -> list[int]:
    """The values that arrived, in that order, of a metric that is called `hits` or `hits_total`."""
    return [int(line.split()[3]) for line in server.text if line.split()[1] in ("hits", "hits_total")]


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("", id="that-just-ends"),
        pytest.param("sys.exit()", id="that-exits"),
        pytest.param(
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); os.kill(os.getpid(), signal.SIGTERM)",
            id="that-is-terminated",
        ),
        pytest.param("import atexit; atexit.register(count); total += 1", id="that-counts-in-its-last-hook"),
        pytest.param("(provider.shutdown() if 'provider' in vars() else None); client.wait()", id="that-waits"),
    ],
)
def test_the_last_count_of_a_program_arrives(run, server, bridge, end):
    installed(NEEDS.get(bridge, "potsdb"))
    out, err = run(HEAD + COUNT[bridge] + f"\n    total = 100\n    for _ in range(100): count()\n    {end}", server.port)
    assert (out, err) == ("", "")
    assert hits(server) == [0, 101 if "atexit" in end else 100]


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_forked_child_and_its_parent_both_end_and_no_count_is_lost(run, server, bridge):
    installed(NEEDS.get(bridge, "potsdb"))
    script = HEAD + COUNT[bridge] + """
    for _ in range(100): count()
    child = os.fork()
    if child == 0:
        for _ in range(7): count()
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    count()
    """
    _, err = run(script, server.port, options=FORKS)
    assert err == ""
    assert hits(server) == {
        # As its HTTP server, the bridge stays with the process that started it.
        "prometheus": [0, 101],
        # The SDK hands its totals down, and exports them in the child, too.
        "otel": [0, 107, 0, 101],
    }.get(bridge, [0, 7, 0, 101])


def test_a_forked_child_pushes_what_prometheus_client_counts_if_it_starts_the_bridge_itself(run, server):
    installed("prometheus_client")
    script = HEAD + COUNT["prometheus"] + """
    for _ in range(100): count()
    child = os.fork()
    if child == 0:
        Bridge(client, registry, tags={"child": 1}).start(3600)
        for _ in range(7): count()
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    """
    _, err = run(script, server.port, options=FORKS)
    assert err == ""
    last = {" ".join(line.split()[4:]).split(" pid=")[0]: int(line.split()[3]) for line in server.text}
    assert sorted(last.values()) == [100, 107], last


WEB = """
import os, sys, logging
import potsdb
sys.argv = ["web", os.environ["PORT"]]
{count}
def app(environ, start_response):
    count()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]
"""


@pytest.mark.parametrize("bridge", BRIDGES)
def test_gunicorn_and_its_workers_count_every_request(host, server, bridge):  # noqa: F811
    installed("gunicorn"), installed(NEEDS.get(bridge, "potsdb"))
    source = WEB.format(count=re.sub("^    ", "", HEAD + COUNT[bridge], flags=re.MULTILINE))
    web = serve(host, server, source)
    said = web.end()
    assert web.process.returncode == 0 and "potsdb:" not in said, said
    last = {}
    for line in server.text:
        _, _, _, value, *tags = line.split()
        last[" ".join(tags)] = int(value)
    assert sum(last.values()) == REQUESTS, last


@pytest.mark.parametrize("preload", [True, False])
def test_of_processes_that_count_in_one_folder_one_pushes_the_sum_of_all(host, server, tmp_path, monkeypatch, preload):  # noqa: F811
    installed("gunicorn"), installed("prometheus_client")
    (tmp_path / "counts").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "counts"))
    head = HEAD.replace('"pid": os.getpid()', '"service": "web"')
    count = COUNT["prometheus"].replace("registry = CollectorRegistry()", "from prometheus_client import REGISTRY as registry")
    count = count.replace("start(3600)", "start(1)")
    source = WEB.format(count=re.sub("^    ", "", head + count, flags=re.MULTILINE))
    web = serve(host, server, source, *(["--preload"] if preload else []))
    said = web.end()
    assert web.process.returncode == 0 and "potsdb:" not in said, said
    points = [line.split() for line in server.text if line.split()[1] == "hits_total"]
    assert {tuple(tags) for _, _, _, _, *tags in points} == {("service=web",)}
    by_time = {int(at): int(value) for _, _, at, value, *_ in points}
    assert len(by_time) == len(points), "no second has two values"
    assert by_time[max(by_time)] == REQUESTS
    assert sorted(by_time.values()) == [by_time[at] for at in sorted(by_time)]


def serve(host, server, source: str, *options: str):  # noqa: F811
    """Starts gunicorn with the program, and asks it `REQUESTS` times."""
    with listener() as socket:
        shape = ["--workers", "3", "--bind", f"fd://{socket.fileno()}", *options]
        command = [sys.executable, "-W", "ignore", "-m", "gunicorn", *shape, "web:app"]
        web = host(server, {"web.py": source}, *command, listener=socket.fileno())
        port = socket.getsockname()[1]
    ask(port)
    return web


# The counters of prometheus_client have locks that a fork may leave held for ever, so here it is a collector without one.
PLAIN = """
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
    from potsdb.prometheus import Bridge
    registry = CollectorRegistry()
    class Collector:
        def collect(self): return [GaugeMetricFamily("hits", "Hits.", value=1)]
    for _ in range(100): registry.register(Collector())
    bridge = Bridge(client, registry)
    bridge.start(3600)
    def count(): registry.collect()
    def push(): bridge.push()
"""
FLUSHED = "    def push(): client.flush(10)\n"


@pytest.mark.parametrize("bridge", ["prometheus", "statsd", "logs"])
def test_a_fork_amid_counts_and_pushes_of_other_threads_hangs_nobody(run, server, bridge):
    installed(NEEDS.get(bridge, "potsdb"))
    script = HEAD + (PLAIN if bridge == "prometheus" else COUNT[bridge] + "\n" + FLUSHED) + """
    import threading
    going = True
    def repeat(call):
        while going: call()
    threads = [threading.Thread(target=repeat, args=(each,)) for each in (count, count, push)]
    for thread in threads: thread.start()
    for n in range(15):
        child = os.fork()
        if child == 0:
            count()
            push()
            client.wait()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, n
    going = False
    for thread in threads: thread.join()
    """
    run(script, server.port, options=FORKS)
