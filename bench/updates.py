"""What an update of an instrument takes, once: ours, and those of prometheus_client, OpenTelemetry and statsd that are there.

Executed by `bench/report.py`, each side in the same process; prints `MEASURE <tab> SIDE <tab> FIGURE` lines. Nothing is
sent meanwhile: what an update costs the program is compared, through what each has that is made once. Then what the bridges
take for a push of `SERIES` series.

    updates.py POINTS
"""

import contextlib
import importlib.util
import logging
import socket
import sys
import threading

from loops import TAGS, arguments_now, figure, lap, least

ADD = "Python `counter.add()` (ns)"
RECORD = "Python `histogram.record(value)` (ns)"
TIME = "Python `with timer:` of nothing (ns)"
INCR = "Python `statsd.incr(stat)` (ns)"
LOG = "Python, a record of `logging` (ns)"
PUSH = "Python, a push of 10 000 samples of prometheus_client (ms)"
EXPORT = "Python, an export of 10 000 points of OpenTelemetry (ms)"
SERIES = 10_000


def main() -> None:
    updates = int(sys.argv[1])
    sides = {"potsdb": [ours, logs], "prometheus_client": [prometheus, push], "opentelemetry": [opentelemetry, export], "statsd": [statsd]}
    for name, measures in sides.items():
        for side in measures if importlib.util.find_spec(name) else []:
            side(updates)


def quiet():
    """A client that takes points and talks to nobody."""
    import potsdb

    return potsdb.Client("127.0.0.1", host_tag=None, check_host=False, test_mode=True)


def ours(updates: int) -> None:
    metrics = quiet()
    counter = metrics.counter("bench.requests", **TAGS)
    told("ours", ADD, updates, add, nothing, counter)
    assert counter.total == updates
    told("ours", RECORD, updates, record, arguments_now, metrics.histogram("bench.sizes", **TAGS).record)
    told("ours", TIME, updates // 10, block, nothing, metrics.timer("bench.latency", **TAGS))
    metrics.stop()


def prometheus(updates: int) -> None:
    from prometheus_client import Counter, Histogram

    counter = Counter("bench_requests", "Requests.", list(TAGS)).labels(**TAGS)
    told("prometheus_client", ADD, updates, increment, nothing, counter)
    sizes = Histogram("bench_sizes", "Sizes.", list(TAGS)).labels(**TAGS)
    told("prometheus_client", RECORD, updates, record, arguments_now, sizes.observe)
    # It hands out a token for each block.
    told("prometheus_client", TIME, updates // 10, token, nothing, sizes)


def opentelemetry(updates: int) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    meter = MeterProvider(metric_readers=[InMemoryMetricReader()]).get_meter("bench")
    told("opentelemetry-sdk", ADD, updates, add_with, nothing, meter.create_counter("bench.requests"))
    told("opentelemetry-sdk", RECORD, updates, record_with, arguments_now, meter.create_histogram("bench.sizes"))


def statsd(updates: int) -> None:
    from statsd import StatsClient

    # Somebody has to be there, or each packet is an error.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        told("statsd, UDP", INCR, updates // 10, incr, nothing, StatsClient("127.0.0.1", sink.getsockname()[1]))
    if importlib.util.find_spec("potsdb"):
        from potsdb.statsd import StatsClient

        metrics = quiet()
        told("ours", INCR, updates, incr, nothing, StatsClient(client=metrics, tags=TAGS))
        metrics.stop()


def logs(updates: int) -> None:
    from potsdb.logs import Handler

    logger = logging.getLogger("bench")
    logger.propagate = False
    metrics = quiet()
    for side, handler in {"`NullHandler`": logging.NullHandler(), "ours": Handler(metrics)}.items():
        logger.handlers = [handler]
        told(side, LOG, updates // 10, log, nothing, logger)
    metrics.stop()


def push(_updates: int) -> None:
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.bridge.graphite import GraphiteBridge

    registry = CollectorRegistry()
    for metric in range(10):
        gauge = Gauge(f"bench_{metric}", "Bench.", list(TAGS), registry=registry)
        for n in range(SERIES // 10):
            gauge.labels(f"/{n}", "eu", "web1").set(n + 0.5)
    figure(PUSH, "`collect()` alone", fastest(lambda: [list(metric.samples) for metric in registry.collect()]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=swallow, args=(listener,), daemon=True).start()
        figure(PUSH, "its `GraphiteBridge`", fastest(GraphiteBridge(listener.getsockname(), registry, tags=True).push))
    if importlib.util.find_spec("potsdb"):
        from potsdb.prometheus import Bridge

        metrics = quiet()
        bridge = Bridge(metrics, registry)
        figure(PUSH, "ours", fastest(bridge.push))
        assert bridge.stats()["points"] >= SERIES * 5
        metrics.stop()


def export(_updates: int) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("bench")
    for metric in range(10):
        counter = meter.create_counter(f"bench.{metric}")
        for n in range(SERIES // 10):
            counter.add(n, {"path": f"/{n}", "dc": "eu", "host": "web1"})
    figure(EXPORT, "the reader's collection alone", fastest(reader.get_metrics_data))
    if importlib.util.find_spec("potsdb"):
        from potsdb.otel import MetricExporter

        metrics = quiet()
        exporter, data = MetricExporter(metrics), reader.get_metrics_data()
        figure(EXPORT, "ours", fastest(lambda: exporter.export(data)))
        assert metrics.stats().accepted >= SERIES * 5
        metrics.stop()


def fastest(call) -> float:
    """Milliseconds, the best of five after a first one, which makes the series: further ones would be ahead of the clock."""
    call()
    return min(lap(1, lambda _: call()) for _ in range(5)) * 1e3


def swallow(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # until it is closed
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1 << 20):
                    pass


def told(side: str, measure: str, updates: int, loop, without, instrument) -> None:
    cost = lap(updates, loop, instrument) - least(updates, without)
    figure(measure, side, cost / updates * 1e9)


def nothing(updates: int) -> None:
    for _ in range(updates):
        pass


def add(updates: int, counter) -> None:
    for _ in range(updates):
        counter.add()


def increment(updates: int, counter) -> None:
    for _ in range(updates):
        counter.inc()


def add_with(updates: int, counter) -> None:
    for _ in range(updates):
        counter.add(1, TAGS)


def incr(updates: int, client) -> None:
    for _ in range(updates):
        client.incr("bench.requests")


def log(updates: int, logger) -> None:
    for _ in range(updates):
        logger.warning("bench")


def record(updates: int, function) -> None:
    for n in range(updates):
        function(n * 1e-6)


def record_with(updates: int, histogram) -> None:
    for n in range(updates):
        histogram.record(n * 1e-6, TAGS)


def block(updates: int, timer) -> None:
    for _ in range(updates):
        with timer:
            pass


def token(updates: int, histogram) -> None:
    for _ in range(updates):
        with histogram.time():
            pass


main()
