"""What other clients take for a point, once: each prints `MEASURE <tab> SIDE <tab> FIGURE` lines as `peer.py` does.

Executed by `bench/report.py` in an environment of their own, alternating with ours. They speak other protocols, some of
them over UDP, and most keep no books: what is compared is what a call costs the program, with the same names, values and
tags, to a reader that only reads.

    others.py call POINTS PORT      questdb Sender.row, datadog statsd (buffered, UDP), statsd (TCP pipeline), influxdb-client,
                                    and opentsdb-py where it is installed
    others.py frame POINTS PORT     questdb Sender.dataframe
"""

import importlib.util
import socket
import sys
import time
from collections.abc import Callable

import tables
from loops import START, TAGS, figure, send


def main() -> None:
    {"call": call, "frame": frame}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))


def call(points: int, port: int) -> None:
    loops = {"questdb `Sender.row`": row, "datadog statsd": datadog, "statsd TCP": statsd, "influxdb-client, its `Point` alone": influx}
    if importlib.util.find_spec("opentsdb"):
        loops["opentsdb-py"] = opentsdb
    for name, loop in loops.items():
        # A warm-up, as far as first calls import and connect.
        if finish := loop(100, port):
            finish()
        started = time.perf_counter()
        finish = loop(points, port)
        figure("Python `send(name, value, 3 tags)` beside others (ns)", name, (time.perf_counter() - started) / points * 1e9)
        # What its own thread has left to do is not what a call costs.
        if finish:
            finish()


def row(points: int, port: int) -> None:
    from questdb import Sender, TimestampNanos

    with Sender.from_conf(f"tcp::addr=127.0.0.1:{port};protocol_version=1;auto_flush_rows=1000;") as sender:
        for n in range(points):
            sender.row(
                "bench.latency",
                symbols=TAGS,
                columns={"value": n * 1e-6},
                at=TimestampNanos((START + n) * 1_000_000_000),
            )


def datadog(points: int, _port: int) -> None:
    from datadog.dogstatsd import DogStatsd

    # Somebody has to be there, or each packet is an error; who does not read loses packets, as UDP does.
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    statsd = DogStatsd(host="127.0.0.1", port=sink.getsockname()[1], disable_telemetry=True, disable_buffering=False)
    for n in range(points):
        statsd.gauge("bench.latency", n * 1e-6, tags=["path:/login", "dc:eu", "host:web1"])
    statsd.flush()
    sink.close()


def statsd(points: int, port: int) -> None:
    from statsd import TCPStatsClient

    client = TCPStatsClient("127.0.0.1", port)
    with client.pipeline() as pipeline:
        for n in range(points):
            # It has no tags: the name carries them.
            pipeline.gauge("bench.latency.login.eu.web1", n * 1e-6)
            if n % 1000 == 999:
                pipeline.send()
    client.close()


def influx(points: int, _port: int) -> None:
    from influxdb_client import Point

    lines = []
    for n in range(points):
        point = Point("bench.latency").tag("path", "/login").tag("dc", "eu").tag("host", "web1")
        # Its batching thread takes lines like this one; writing them is not in the figure.
        lines.append(point.field("value", n * 1e-6).time(START + n, "s").to_line_protocol())


def opentsdb(points: int, port: int) -> Callable[[], None]:
    from opentsdb import TSDBClient

    # As ours: no host tag of its own, a queue that nothing falls out of, and no limit of points a second.
    client = TSDBClient("127.0.0.1", port, protocol="TELNET", host_tag=False, max_queue_size=0, send_metrics_limit=0)
    send(points, client.send)

    def finish() -> None:
        client.close()
        client.wait()
        assert client.statuses == {"queued": points, "success": points, "failed": 0}, client.statuses

    return finish


def frame(points: int, port: int) -> None:
    from questdb import Sender

    table = tables.frame(points)
    with Sender.from_conf(f"tcp::addr=127.0.0.1:{port};protocol_version=1;auto_flush=off;") as sender:
        # The first table of a process imports PyArrow.
        sender.dataframe(tables.frame(10), table_name="bench.latency", symbols=["path", "dc"], at="time")
        sender.flush()
        started = time.perf_counter()
        sender.dataframe(table, table_name="bench.latency", symbols=["path", "dc"], at="time")
        called = time.perf_counter()
        sender.flush()
        flushed = time.perf_counter()
    figure("Python `send_frame`, a point of 2 tags (ns)", "questdb `dataframe`", (called - started) / points * 1e9)
    figure("Python `send_frame` to the socket, a point of 2 tags (ns)", "questdb `dataframe`", (flushed - started) / points * 1e9)


main()
