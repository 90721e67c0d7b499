"""Programs as users write them. Never run: the type checkers read it."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from typing_extensions import Unpack

import potsdb
from potsdb.client import MPS_LIMIT, Client, Options
from potsdb.logs import Handler
from potsdb.otel import MetricExporter
from potsdb.prometheus import Bridge
from potsdb.statsd import StatsClient
from potsdb.testing import Found, Point, Receiver


def old_program() -> None:
    metrics = potsdb.Client("localhost", port=4242, qsize=1000, host_tag=True, mps=100, check_host=True)
    line: str | None = metrics.send("test.metric5", 100, extratag1="t1", extratag2=2, timestamp="1500000000")
    metrics.log("test.metric5", Decimal("1.5"), cheese="blue")
    metrics.send(name="test", val="12")
    metrics.send("test", val=True)
    print(line, metrics.queued, metrics.q.qsize(), metrics.t.is_alive(), metrics.done.is_set(), MPS_LIMIT)
    metrics.wait()


def new_program() -> potsdb.Stats:
    with Client("localhost", settle=timedelta(seconds=1), overflow="block", tags={"dc": 1}) as metrics:
        latency = metrics.series("web.latency", path="/login", tags={"if": "eth0"})
        queued: bool = latency.send(0.012, timestamp=1500000000)
        delivered: bool = metrics.flush(timeout=5)
        print(queued, delivered, metrics.stats().as_dict())
    metrics.close()
    stats = metrics.close(timeout=5)
    accepted: int = stats.accepted
    print(accepted, [endpoint.state for endpoint in stats.endpoints])
    return stats


def counting_program(metrics: Client) -> float:
    requests = metrics.counter("web.requests", path="/login")
    requests.add()
    slow = potsdb.Instruments(metrics, interval=60, style="prometheus", buckets=[0.1, 1])
    timer = slow.timer("web.render")

    @timer
    def render(name: str) -> int:
        return len(name)

    with timer, timer.time() as block:
        size: int = render("login")
    metrics.gauge("web.size").set(size)
    metrics.histogram("web.sizes").record(size)
    seconds: float = block.stop()
    return seconds + requests.total


def bridging_program(metrics: Client) -> dict[str, int]:
    provider = MeterProvider([PeriodicExportingMetricReader(MetricExporter(metrics, keep=["path"]))])
    logging.getLogger().addHandler(Handler(metrics))
    statsd = StatsClient(client=metrics, prefix="web")
    statsd.gauge("size", 1, delta=True, tags={"path": "/login"})

    @statsd.timer("took")
    def work(name: str) -> int:
        return len(name)

    with statsd.timer("took") as timer, statsd.pipeline() as pipe:
        pipe.incr("hits", work("login"))
    with Bridge(metrics, buckets="none") as bridge:
        bridge.start(10, prefix="web")
    provider.shutdown()
    print(timer.ms)
    return bridge.stats()


async def async_program() -> bool:
    async with potsdb.Client.from_url("tsdb://localhost", host_tag="web1") as metrics:
        await metrics.aflush(5)
    stats: potsdb.Stats = await potsdb.Client().aclose(5)
    return stats == potsdb.Stats(stats.as_dict()) and len({stats, stats}) == 1


class Metrics(potsdb.Client):
    def __init__(self, port: int = 4242, **options: Unpack[Options]) -> None:
        super().__init__("localhost", port, **options)


def open_by_url() -> Metrics:
    return Metrics.from_url("tsdb://localhost", mps=5, check_host=True)


def wrong_programs(metrics: potsdb.Client) -> None:
    metrics.send("m", None)  # type: ignore[call-overload]
    metrics.send(5, 1)  # type: ignore[call-overload]
    potsdb.Client("localhost", overflaw="block")  # type: ignore[call-arg]
    potsdb.Client("localhost", max_tags=None)  # type: ignore[arg-type]


def tests(tsd: Receiver) -> None:
    found: Found = tsd.wait_for("web.requests", path="/login", code=200, increase=3, timeout=1)
    total: int | float = found.sum
    if found and total:
        first: Point = found.points[0]
        name: str = first.tags["path"]
        with tsd.fail(503, times=1), tsd.refuse(name):
            tsd.restart()
    counted: dict[str, int] = tsd.stats()
    reasons: list[str] = [refused.reason for refused in tsd.refused]
    _ = (counted, reasons, tsd.series("m", tags={"a": 1}), tsd.url, tsd.http_url, tsd.port)
