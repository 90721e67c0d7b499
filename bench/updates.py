"""What an update of an instrument takes, once: ours, or those of prometheus_client and OpenTelemetry, whichever are there.

Executed by `bench/report.py`, alternating between two interpreters; prints `MEASURE <tab> SIDE <tab> FIGURE` lines. Nothing is
sent meanwhile: what an update costs the program is compared, through what each has that is made once.

    updates.py POINTS
"""

import importlib.util
import sys

from loops import TAGS, arguments_now, figure, lap, least

ADD = "Python `counter.add()` (ns)"
RECORD = "Python `histogram.record(value)` (ns)"
TIME = "Python `with timer:` of nothing (ns)"


def main() -> None:
    updates = int(sys.argv[1])
    for name, side in {"potsdb": ours, "prometheus_client": prometheus, "opentelemetry": opentelemetry}.items():
        if importlib.util.find_spec(name):
            side(updates)


def ours(updates: int) -> None:
    import potsdb

    metrics = potsdb.Client("127.0.0.1", host_tag=None, check_host=False, test_mode=True)
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
