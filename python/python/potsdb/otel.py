"""An exporter of OpenTelemetry's metrics to OpenTSDB.

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from potsdb.otel import MetricExporter

    reader = PeriodicExportingMetricReader(MetricExporter(potsdb.Client("localhost")), 10_000)
    provider = MeterProvider([reader])

| instrument | series |
|---|---|
| counter, up-down counter | its name: the total, which begins with a zero at the time it was begun if it only grows |
| gauge | its name |
| histogram | `.count .sum`, which are totals, `.min .max`, and `.p50 .p90 .p99 .p999`, or `.bucket` with the tag `le` |
| exponential histogram | the same; its percentiles are as exact as its scale |

Percentiles are estimated of the values since the last export. Least and greatest value are OpenTelemetry's: of all values since
the beginning, unless the temporality is delta. Everything of one export has one timestamp; a program that flushes
many times a second leaves the newest state to a later export, or to the end. OpenTSDB has no increments: what comes with
delta temporality is added up here.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter, ObservableGauge
from opentelemetry.sdk.metrics import ObservableUpDownCounter, UpDownCounter
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult, MetricsData

from . import _exit
from ._buckets import Explicit, Exponential, bound, label, percentiles
from ._outlet import Outlet, Send, number
from ._potsdb import Client
from ._ticks import Clock
from .client import Client as _Client
from .exceptions import ConfigError, PotsdbError

__all__ = ["MetricExporter"]

_PLACEHOLDER = "unknown_service"
"""What the SDK calls a service that was not named."""

_PATIENCE = 5.0
"""Seconds that the program's end waits for an export that goes on in another thread."""

_Tags = tuple[tuple[str, str], ...]
_Point = TypeVar("_Point", bound="_Total | _Distribution")


class _Total:
    """The data of a sum or a gauge."""

    def __init__(self, value: float, start: int, at: int) -> None:
        self.value, self.start, self.at = value, start, at

    def plus(self, other: _Total) -> _Total:
        return _Total(self.value + other.value, min(self.start, other.start), max(self.at, other.at))


class _Distribution:
    """The data of a histogram of either kind."""

    def __init__(
        self,
        count: int,
        total: float,
        least: float | None,
        greatest: float | None,
        buckets: Explicit | Exponential,
        start: int,
        at: int,
    ) -> None:
        self.count, self.total, self.least, self.greatest = count, total, least, greatest
        self.buckets, self.start, self.at = buckets, start, at

    def plus(self, other: _Distribution) -> _Distribution | None:
        """Both together; None if their buckets differ."""
        buckets = _combined(self.buckets, other.buckets, 1)
        if buckets is None:
            return None
        return _Distribution(
            self.count + other.count,
            self.total + other.total,
            _of_both(min, self.least, other.least),
            _of_both(max, self.greatest, other.greatest),
            buckets,
            min(self.start, other.start),
            max(self.at, other.at),
        )


class MetricExporter(sdk.MetricExporter):
    """Sends what a reader collects through a client. Without a client it makes one of `POTSDB_URL`, and closes it in `shutdown`.

    `resource`: attributes of the resource that become tags. Unless said, `service.name`, and `host.name` if the client has no
    host tag; not `service.instance.id`, of which the SDK makes a new one in each process. `keep`: attributes of points that become tags, the most
    important one first; all, unless said. `skip`: attributes that do not. Of more than `max_tags` the last ones are left out
    and told (OpenTSDB takes eight). Where that makes two series one, totals and histograms are added up.

    `histograms` have `percentiles`, or `buckets`: a series for each bound with the tag `le`. `names`: what becomes of
    characters that OpenTSDB does not allow, as in `Instruments`. The preferred temporality is cumulative.

    `interval`: the reader's, in seconds. Then the time of an export is the last multiple of it, so that the series of several
    processes add up exactly: OpenTSDB interpolates between those whose times differ.

    The result of `export` is SUCCESS if every point was accepted by the client, whose `stats()` says what became of it.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        prefix: str = "",
        tags: Mapping[str, object] | None = None,
        resource: Sequence[str] | None = None,
        keep: Sequence[str] | None = None,
        skip: Iterable[str] = (),
        max_tags: int = 8,
        histograms: Literal["percentiles", "buckets"] = "percentiles",
        quantiles: Sequence[float] = (0.5, 0.9, 0.99, 0.999),
        names: Literal["refuse", "replace", "escape"] = "replace",
        interval: float | None = None,
        preferred_temporality: dict[type, AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, Any] | None = None,
    ) -> None:
        if interval is not None and not interval >= 1:
            raise ConfigError(f"interval: {interval} is less than a second: a series has one value per second")
        if histograms not in ("percentiles", "buckets"):
            raise ConfigError(f'histograms: "{histograms}" is unknown: percentiles or buckets is allowed')
        kinds = (Counter, UpDownCounter, Histogram, ObservableCounter, ObservableUpDownCounter, ObservableGauge)
        cumulative: dict[type, AggregationTemporality] = dict.fromkeys(kinds, AggregationTemporality.CUMULATIVE)
        super().__init__({**cumulative, **(preferred_temporality or {})}, preferred_aggregation)
        self._own = client is None
        self._client = _Client.from_env() if client is None else client
        self._prefix = f"{prefix}." if prefix else ""
        if not isinstance(self._client, Client):
            raise TypeError(f"client: {self._client!r} is no potsdb.Client")
        has_host = bool(self._client._host_tag)
        if resource is None:
            resource = ["service.name"] if has_host else ["service.name", "host.name"]
        self._resource, self._keep, self._skip = tuple(resource), keep, frozenset(skip)
        self._room = max(0, max_tags - len(tags or {}) - has_host - (histograms == "buckets"))
        self._interval = interval
        self._histograms, self._quantiles = histograms, tuple(quantiles)
        self._outlet = Outlet(self._client, names, tags or {})
        self._lock = threading.Lock()
        self._clock = Clock(self._client)
        self._series: dict[tuple[str, _Tags], Send | None] = {}
        self._state: dict[tuple[str, _Tags], _Total | _Distribution] = {}
        self._known: dict[object, _Tags] = {}
        """The tags of a metric's attributes."""
        self._described: set[str] = set()
        self._late: MetricsData | None = None
        """An export that was too far ahead of the clock: a newer one replaces it, and the end sends it."""
        self._shut = False
        _all.add(self)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Queues everything, which takes no time; FAILURE if something was not accepted, and after `shutdown`."""
        return MetricExportResult.FAILURE if self._shut else self._locked(metrics_data, timeout_millis / 1000, False)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Waits until every point has its answer; False if the time came first."""
        return self._client.flush(max(timeout_millis, 0) / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **keywords: Any) -> None:
        """Exports nothing more, and waits within the time for what was exported."""
        if self._shut:
            return
        self._shut = True
        # The reader of 1.45 says it in another word.
        seconds = max(float(keywords.get("timeout", timeout_millis)), 0) / 1000
        self._last(seconds)
        if self._own and isinstance(self._client, _Client):
            self._client.close(seconds)
        else:
            self._client.flush(seconds)

    def _last(self, seconds: float) -> None:
        """Sends what was left for later."""
        late, self._late = self._late, None
        if late is not None:
            self._locked(late, seconds, True)

    def _locked(self, data: MetricsData, seconds: float, final: bool) -> MetricExportResult:
        if not self._lock.acquire(timeout=max(seconds, 0)):
            return MetricExportResult.FAILURE
        try:
            return self._export(data, final)
        except PotsdbError as error:
            # The client is closed, or there is no room in its queue.
            self._outlet.tell("export", f"export failed: {error}")
            return MetricExportResult.FAILURE
        finally:
            self._lock.release()

    def _export(self, data: MetricsData, final: bool) -> MetricExportResult:
        outcomes = [True]
        found = [
            (self._tags_of(resource.resource.attributes), metric)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        times = [point.time_unix_nano for _, metric in found for point in metric.data.data_points]
        if not times:
            return MetricExportResult.SUCCESS
        # Increments cannot be left for later: the next ones do not contain them.
        final = final or any(_is_delta(metric.data) for _, metric in found)
        at = max(times) // 1_000_000_000
        if self._interval is not None:
            aligned = int(at // self._interval * self._interval)
            # Another one within the interval, as the last one is, has its own time.
            at = aligned if aligned > self._clock.last else at
        stamp = self._clock.stamp(at, final)
        if stamp is None:
            self._late = data
            return MetricExportResult.SUCCESS
        self._late = None
        for resource_tags, metric in found:
            name = self._prefix + metric.name
            if name not in self._described:
                self._described.add(name)
                self._outlet.describe(name, metric.unit, metric.description)
            kind = metric.data
            if isinstance(kind, sdk.Gauge):
                totals = self._grouped(name, resource_tags, kind.data_points, _total, _newest)
                outcomes += [self._gauge(name, tags, point, stamp) for tags, point in totals.items()]
            elif isinstance(kind, sdk.Sum):
                totals = self._grouped(name, resource_tags, kind.data_points, _total, _Total.plus)
                delta, grows = _is_delta(kind), kind.is_monotonic
                outcomes += [self._sum(name, tags, point, stamp, delta, grows) for tags, point in totals.items()]
            else:
                points: Sequence[Any] = kind.data_points
                distributions = self._grouped(name, resource_tags, points, _distribution, _Distribution.plus)
                delta = _is_delta(kind)
                outcomes += [self._histogram(name, tags, point, stamp, delta) for tags, point in distributions.items()]
        return MetricExportResult.SUCCESS if all(outcomes) else MetricExportResult.FAILURE

    def _grouped(
        self,
        name: str,
        resource: _Tags,
        given: Iterable[Any],
        read: Callable[[Any], _Point],
        both: Callable[[_Point, _Point], _Point | None],
    ) -> dict[_Tags, _Point]:
        """The points by their tags. Those that only differ in attributes left out are one."""
        points: dict[_Tags, _Point] = {}
        for each in given:
            point, attributes = read(each), each.attributes or {}
            types = tuple(map(type, attributes.values()))
            # True is 1 as a key, and another tag.
            key = (name, resource, tuple(attributes.items()), types)
            if tuple in types or list in types:
                tags = self._tags(name, resource, attributes)
            elif (known := self._known.get(key)) is not None:
                tags = known
            else:
                tags = self._known[key] = self._tags(name, resource, attributes)
            if tags in points:
                together = both(points[tags], point)
                if together is None:
                    self._outlet.merged += 1
                    self._outlet.tell(f"merged {name}", f"metric {name!r}: histograms of one series have other bounds")
                    continue
                point = together
            points[tags] = point
        return points

    def _tags_of(self, resource: Mapping[str, Any]) -> _Tags:
        chosen = ((name, resource[name]) for name in self._resource if name in resource)
        return tuple((name, _text(value)) for name, value in chosen if not str(value).startswith(_PLACEHOLDER))

    def _tags(self, name: str, resource: _Tags, attributes: Mapping[str, Any]) -> _Tags:
        order = sorted(attributes) if self._keep is None else [each for each in self._keep if each in attributes]
        own = {each: _text(attributes[each]) for each in order if each not in self._skip}
        # What a point says of itself goes before what its resource says.
        tags = (*((each, value) for each, value in resource if each not in own), *own.items())
        if len(tags) > self._room:
            left = [each for each, _ in tags[self._room :]]
            self._outlet.tell(f"tags {name}", f"metric {name!r} has too many tags; left out: {', '.join(left)}")
        return tags[: self._room]

    def _gauge(self, name: str, tags: _Tags, point: _Total, stamp: int) -> bool:
        return self._send(name, tags, point.value, stamp)

    def _sum(self, name: str, tags: _Tags, point: _Total, stamp: int, delta: bool, grows: bool) -> bool:
        key = (name, tags)
        before = self._state.get(key)
        if delta and isinstance(before, _Total):
            point = before.plus(point)
        self._state[key] = point
        if before is None and grows:
            stamp = self._begin([(name, tags)], point.start, stamp)
        return self._send(name, tags, point.value, stamp)

    def _histogram(self, name: str, tags: _Tags, point: _Distribution, stamp: int, delta: bool) -> bool:
        key = (name, tags)
        before = self._state.get(key)
        total, since = point, point.buckets
        if isinstance(before, _Distribution):
            if delta:
                total = before.plus(point) or point
            elif before.start == point.start:
                since = _combined(point.buckets, before.buckets, -1) or point.buckets
        self._state[key] = total
        if before is None:
            stamp = self._begin([(f"{name}.count", tags), (f"{name}.sum", tags)], point.start, stamp)
        accepted = [self._send(f"{name}.count", tags, total.count, stamp), self._send(f"{name}.sum", tags, total.total, stamp)]
        if not point.count:
            return all(accepted)
        for suffix, value in (("min", point.least), ("max", point.greatest)):
            if value is not None:
                accepted.append(self._send(f"{name}.{suffix}", tags, value, stamp))
        if self._histograms == "percentiles":
            estimated = percentiles(since.spans(), self._quantiles, point.least, point.greatest)
            accepted += [self._send(f"{name}.{label(quantile)}", tags, value, stamp) for quantile, value in estimated]
        else:
            reached = 0
            ends = total.buckets.spans()
            for place, (_, high, count) in enumerate(ends):
                reached += count
                le = "inf" if place == len(ends) - 1 else bound(high)
                accepted.append(self._send(f"{name}.bucket", (*tags, ("le", le)), reached, stamp))
        return all(accepted)

    def _begin(self, series: list[tuple[str, _Tags]], start: int, stamp: int) -> int:
        """Sends the zero that a total begins with; returns the time of the total, which is a later second."""
        birth = start // 1_000_000_000
        if birth <= 0:
            return stamp
        stamp = max(stamp, birth + 1)
        self._clock.reach(stamp)
        for name, tags in series:
            self._send(name, tags, 0, birth)
        return stamp

    def _send(self, name: str, tags: _Tags, value: float, at: int) -> bool:
        exact = number(value)
        if exact is None:
            self._outlet.tell(f"value {name}", f"metric {name!r}: {value} is no finite number")
            return False
        key = (name, tags)
        if key not in self._series:
            self._series[key] = self._outlet.series(key, name, dict(tags))
        send = self._series[key]
        return send is not None and send(exact, at)

    def _forked(self) -> None:
        # A thread that a child does not have may hold it.
        self._lock = threading.Lock()


def _is_delta(data: sdk.DataT) -> bool:
    return getattr(data, "aggregation_temporality", None) == AggregationTemporality.DELTA


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(_text(each) for each in value)
    return str(value)


def _total(point: sdk.NumberDataPoint) -> _Total:
    return _Total(point.value, point.start_time_unix_nano or 0, point.time_unix_nano)


def _newest(one: _Total, other: _Total) -> _Total:
    return other if other.at >= one.at else one


def _distribution(point: sdk.HistogramDataPoint | sdk.ExponentialHistogramDataPoint) -> _Distribution:
    buckets: Explicit | Exponential
    if isinstance(point, sdk.HistogramDataPoint):
        buckets = Explicit((*point.explicit_bounds, float("inf")), point.bucket_counts)
    else:
        positive, negative = (
            {side.offset + index: count for index, count in enumerate(side.bucket_counts) if count}
            for side in (point.positive, point.negative)
        )
        buckets = Exponential(point.scale, point.zero_count, positive, negative)
    least, greatest = (None if each is None or each - each != 0 else each for each in (point.min, point.max))
    start, at = point.start_time_unix_nano or 0, point.time_unix_nano
    return _Distribution(point.count, point.sum, least, greatest, buckets, start, at)


def _combined(one: Explicit | Exponential, other: Explicit | Exponential, sign: int) -> Explicit | Exponential | None:
    if isinstance(one, Explicit) and isinstance(other, Explicit):
        return one.combined(other, sign)
    if isinstance(one, Exponential) and isinstance(other, Exponential):
        return one.combined(other, sign)
    return None


def _of_both(choose: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else choose(one, other)


_all: weakref.WeakSet[MetricExporter] = weakref.WeakSet()


def _end(client: Client | None) -> None:
    for exporter in list(_all):
        if client is None or client is exporter._client:
            exporter._last(_PATIENCE)


def _forked() -> None:
    for exporter in list(_all):
        exporter._forked()


_exit.before_end(_end)
os.register_at_fork(after_in_child=_forked)
