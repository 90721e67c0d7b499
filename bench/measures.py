"""What is compared with what, and what design asks for: the rows of BENCHMARKS.md, in their order."""

from __future__ import annotations

from typing import NamedTuple

# By measure and side; of the memory, by path and column.
Figures = dict[str, dict[str, list[float]]]

# Along each path of the table of memory.
MEMORY_POINTS = 10_000_000


class Measure(NamedTuple):
    name: str
    baseline: str
    # What ours may be at most, where less is better, or has to be at least, as a multiple of the baseline.
    target: float | None
    less_is_better: bool
    # What has to be there to measure it, where that is not always so.
    needs: str = ""


OLD = "potsdb 1.0.3"
COPY = "line copied under a lock"
PLAIN = "plain 64 KiB writes"
HEALTHY = "the two healthy ones alone"
DATAFRAME = "questdb `dataframe`"
NOTHING = "no call"
EMPTY = "an empty native method"
HEADERS = "a C compiler and Python's headers"
OTHERS = ["questdb `Sender.row`", "datadog statsd", "statsd TCP", "influxdb-client, its `Point` alone"]
CALLS = ["cadence", "metrics, no point per call", "questdb-rs"]
SERIES = ["1 series", "1 000 series", "300 000 series"]
ATOMIC = "an atomic addition"
PYTHONS = ["prometheus_client", "opentelemetry-sdk"]
PROMETHEUS = "metrics, its Prometheus exporter"
REGISTRIES = [PROMETHEUS, "prometheus", "opentelemetry_sdk"]
MACROS = ["`increment(1)` of a handle", "`counter!(name, 3 labels).increment(1)`", "`record` of a handle"]
NO_LAYER = "a registry without layers"
HANDLES = ["cadence, the client's own tags", "metrics, no point per call"]
MEASURES = [
    Measure("Python `send(name, value, 3 tags)` (ns)", OLD, 1 / 60, True),
    Measure("Python `send(name, value, 3 tags)` (ns)", EMPTY, None, True, HEADERS),
    Measure("Python `send(name, value, 3 tags)`, whole loop (ns)", OLD, 1 / 35, True),
    Measure("Python `series.send(value)` (ns)", OLD, 1 / 100, True),
    Measure("Python `series.send(value)` (ns)", EMPTY, None, True, HEADERS),
    Measure("Python `series.send(value)`, automatic time, `repeats=keep` (ns)", OLD, None, True),
    *(Measure("Python `send(name, value, 3 tags)` beside others (ns)", name, None, True) for name in OTHERS),
    Measure("Python `send(name, value, 3 tags)` beside others (ns)", "opentsdb-py", None, True, "opentsdb-py, which pip could not install"),
    Measure("Python `counter.add()` (ns)", "", 60, True),
    *(Measure("Python `counter.add()` (ns)", name, None, True) for name in PYTHONS),
    Measure("Python `histogram.record(value)` (ns)", "", 60, True),
    *(Measure("Python `histogram.record(value)` (ns)", name, None, True) for name in PYTHONS),
    Measure("Python `with timer:` of nothing (ns)", "prometheus_client", None, True),
    Measure("Python `statsd.incr(stat)` (ns)", "statsd, UDP", None, True),
    Measure("Python, a record of `logging` (ns)", "`NullHandler`", None, True),
    Measure("Python, a push of 10 000 samples of prometheus_client (ms)", "its `GraphiteBridge`", None, True),
    Measure("Python, a push of 10 000 samples of prometheus_client (ms)", "`collect()` alone", None, True),
    Measure("Python, an export of 10 000 points of OpenTelemetry (ms)", "the reader's collection alone", None, True),
    Measure("Python `send_frame`, a point of 2 tags (ns)", DATAFRAME, 1 / 5, True),
    Measure("Python `send_frame` to the socket, a point of 2 tags (ns)", DATAFRAME, None, True),
    Measure("Python end to end, to a socket that is read (points/s)", OLD, 35, False),
    Measure("Python, processor time a delivered point, whole process (ns)", OLD, 1 / 30, True),
    Measure("Python, trickle of 1 000 points/s, processor time of the process (ms/s)", OLD, 1 / 3, True),
    Measure("Python, trickle of 1 000 points/s, wake-ups of the worker (1/s)", "", 200, True),
    Measure("Python, memory of 100000 points of 66 bytes in the queue, the server away (MiB)", "", 8, True),
    Measure("Python, `import potsdb` (ms)", "", 10, True),
    Measure("Python, the module's wheel (MiB)", "", 3, True),
    Measure("`potsdb send` as a process, until the point is acknowledged (ms)", "", 5, True),
    Measure("Rust `series.send_at`, integer, queue to memory (ns)", COPY, 2, True),
    Measure("Rust `series.send_at`, float, queue to memory (ns)", COPY, 2, True),
    Measure("Rust `series.send_at`, float of 16 digits, queue to memory (ns)", COPY, None, True),
    Measure("Rust `series.send`, float, automatic time, `repeats=keep`, queue to memory (ns)", COPY, None, True),
    Measure("Rust `client.send_at`, float, 3 tags, queue to memory (ns)", COPY, None, True),
    *(Measure("Rust `client.send_at`, 3 tags, beside others (ns)", name, None, True) for name in CALLS),
    *(Measure("Rust `series.send_at`, beside others made once (ns)", name, None, True) for name in HANDLES),
    Measure("Rust `counter.add(1)` (ns)", "", 20, True),
    Measure("Rust `gauge.set` (ns)", "", 20, True),
    Measure("Rust `histogram.record` (ns)", "", 20, True),
    Measure("Rust `counter.add(1)` (ns)", ATOMIC, None, True),
    Measure("Rust `gauge.set` (ns)", ATOMIC, None, True),
    Measure("Rust `histogram.record` (ns)", ATOMIC, None, True),
    Measure("Rust `timer.time` of nothing (ns)", ATOMIC, None, True),
    *(Measure("Rust `counter.add(1)` (ns)", name, None, True) for name in REGISTRIES),
    *(Measure("Rust `histogram.record` (ns)", name, None, True) for name in REGISTRIES),
    *(Measure(f"Rust `metrics`, {call} (ns)", PROMETHEUS, None, True) for call in MACROS),
    Measure("Rust `tracing`, an event that counts (ns)", NO_LAYER, None, True),
    Measure("Rust `tracing`, an event that counts, with a tag (ns)", NO_LAYER, None, True),
    Measure("Rust OpenTelemetry, collecting and exporting a point (ns)", "an exporter that does nothing", None, True),
    Measure("Rust `counter.add(1)`, 4 threads on one counter, for all of them (ns)", "", None, True),
    Measure("Rust end to end, float, to a socket that is read (MB/s)", PLAIN, 0.4, False),
    Measure("Rust end to end, integer, to a socket that is read (MB/s)", PLAIN, 0.4, False),
    Measure("Rust end to end, float, acknowledged by `version` (MB/s)", PLAIN, None, False),
    Measure("Rust, processor time a delivered point (ns)", "", None, True),
    Measure("HTTP gzip, whole cost per point (ns of CPU)", "", 1000, True),
    Measure("Rust, 8 threads on one client (points/s)", "1 thread", 1, False),
    *(Measure(f"Rust, worst `client.send_at` among {count} (us)", "", 1000, True) for count in SERIES),
    *(Measure(f"Rust, worst `client.send_at` among {count} (us)", NOTHING, None, True) for count in SERIES),
    *(Measure(f"Rust, 99.99th percentile of `client.send_at` among {count} (us)", NOTHING, None, True) for count in SERIES),
    Measure("Rust, tsdb, four endpoints, one dead, one stalled (points/s)", HEALTHY, 0.9, False),
    Measure("Rust, http, four endpoints, one dead, one stalled (points/s)", HEALTHY, 0.9, False),
    Measure("Rust, system calls a point, 1 thread, both processes", "", 0.01, True, "perf"),
    Measure("Rust, system calls a point, 8 threads, both processes", "", 0.01, True, "perf"),
    Measure("Crates in the client's tree, telnet", "", 13, True),
    Measure("Crates in the client's tree, telnet and HTTP", "", 15, True),
]
