"""Pushes what `prometheus_client` counts to OpenTSDB: the calls of its `GraphiteBridge`, and a program needs to change no more.

    from potsdb.prometheus import Bridge

    bridge = Bridge(potsdb.Client("localhost"))
    bridge.start(10)

**When.** At multiples of the interval, with one timestamp for everything. Once more at `stop`, before the client closes, and at
the program's end. A counter begins with a zero at the time it was created, so that `rate` sees what it counted first.

**Fork.** What `prometheus_client` counted is copied into a forked child, so a child that pushed by itself would overwrite its
parent's series with other totals. As its HTTP server does, the bridge therefore stays with the process that started it. A child
pushes after it called `start` itself (gunicorn: in `post_fork`): give it tags of its own then, as the client's option
`worker_tag` does.

With `PROMETHEUS_MULTIPROC_DIR` all processes count in one folder. Then one of them pushes the sums of all, by a lock. If it ends
another one does. Children that were forked from a process that started the bridge take part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import REGISTRY

from ._buckets import Explicit, bound, percentiles
from ._outlet import WHOLE, Outlet, Send, number
from ._potsdb import Client
from ._ticks import Clock, Ticks
from ._turns import Turns
from .exceptions import Closed, ConfigError

__all__ = ["Bridge", "Collector"]

_Labels = tuple[tuple[str, str], ...]


class Collector(Protocol):
    """What has metrics: a registry, or one of its collectors."""

    def collect(self) -> Iterable[Metric]: ...


class _Entry:
    """A sample that was seen before."""

    __slots__ = ("at", "push", "send")

    def __init__(self, send: Send | None) -> None:
        self.send = send
        """None: samples like this one are not sent."""
        self.push = 0
        """The number of the last push that saw it."""
        self.at = 0
        """The time that the sample itself had at the last push."""


class Bridge:
    """Pushes the metrics of a registry through a client.

    `tags`: of every point. `buckets`: histograms have `le` (a series for each bound, as in Prometheus), `percentiles` (estimated
    of the buckets, for the values since the last push, in series with the tag `quantile`) or `none` (count and sum alone).
    `created`: whether the `_created` series are sent. `names`: what becomes of characters that OpenTSDB does not
    allow, as in `Instruments`; `prometheus_client`'s own names need it for `:` and for what label values hold.

    Samples that are NaN or infinite are left out and counted. A collector that fails costs its own metrics alone; it is
    told to the logger `potsdb`, once a minute. Samples that have a time of their own keep it.
    """

    def __init__(
        self,
        client: Client,
        registry: Collector = REGISTRY,
        *,
        tags: Mapping[str, object] | None = None,
        buckets: Literal["le", "percentiles", "none"] = "le",
        quantiles: Sequence[float] = (0.5, 0.9, 0.99, 0.999),
        created: bool = False,
        names: Literal["refuse", "replace", "escape"] = "replace",
    ) -> None:
        if not isinstance(client, Client):
            raise TypeError(f"client: {client!r} is no potsdb.Client")
        if buckets not in ("le", "percentiles", "none"):
            raise ConfigError(f'buckets: "{buckets}" is unknown: le, percentiles or none is allowed')
        self._outlet = Outlet(client, names, tags or {})
        self._buckets, self._quantiles, self._created = buckets, tuple(quantiles), created
        self._prefix = self._prefix_of_ticks = ""
        self._registry, self._turns = _of_all_processes(registry, client)
        self._ticks = Ticks(client, self._tick, lambda: self._turns is not None)
        self._clock = Clock(client)
        self._cache: dict[tuple[str, _Labels], _Entry] = {}
        self._before: dict[tuple[str, _Labels], Explicit] = {}
        self._described: set[str] = set()
        self._pushes = self._points = self._not_finite = self._errors = 0

    def push(self, prefix: str = "") -> int:
        """Pushes now, and returns how many points were queued.

        Names begin with `prefix` and a dot, if there is one. Where the processes of `PROMETHEUS_MULTIPROC_DIR` push by turns
        and another one has the turn, it pushes nothing.
        """
        return self._ticks.now(lambda at, final: self._push(at, final, prefix))

    def start(self, interval: float = 10.0, prefix: str = "") -> None:
        """Pushes every `interval` seconds from a thread; there is never a second one."""
        self._prefix_of_ticks = prefix
        self._ticks.start(interval)

    def stop(self) -> None:
        """Pushes for the last time. Does nothing where nothing was started, or all was stopped."""
        self._ticks.stop()

    def stats(self) -> dict[str, int]:
        """What was pushed and what was not: pushes, points, not_finite, collector_errors, merged, refused, cached."""
        return {
            "pushes": self._pushes,
            "points": self._points,
            "not_finite": self._not_finite,
            "collector_errors": self._errors,
            "merged": self._outlet.merged,
            "refused": self._outlet.refused,
            "cached": len(self._cache),
        }

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _named(self, prefix: str) -> None:
        prefix = f"{prefix}." if prefix else ""
        if prefix != self._prefix:
            self._prefix = prefix
            self._cache = {}

    def _tick(self, at: int, final: bool) -> int:
        return self._push(at, final, self._prefix_of_ticks)

    def _push(self, at: int, final: bool, prefix: str) -> int:
        self._named(prefix)
        if self._turns is None:
            return self._push_all(at, final)
        if final:
            return self._turns.finish(lambda: self._push_of_all(at, True))
        return self._push_of_all(at, final) if self._turns.take() else 0

    def _push_of_all(self, at: int, final: bool) -> int:
        """Pushes, later than any other process did."""
        assert self._turns is not None, "processes push by turns"
        self._clock.reach(self._turns.last())
        points = self._push_all(at, final)
        self._turns.done(self._clock.last)
        return points

    def _push_all(self, at: int, final: bool) -> int:
        stamp = self._clock.stamp(at, final)
        if stamp is None:
            return 0
        self._pushes += 1
        before = self._points
        samples = 0
        for collector in _collectors(self._registry):
            try:
                for metric in collector.collect():
                    samples += len(metric.samples)
                    self._send(metric, stamp)
            except (Closed, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # of a cancelled task, say: it costs this collector alone, too
                self._errors += 1
                name = f"{type(collector).__module__}.{type(collector).__qualname__}"
                text = f"collector {name} failed, and its metrics were not pushed: {type(error).__name__}: {error}"
                self._outlet.tell(f"collector {name}", text)
        if len(self._cache) > 2 * samples + 1000:
            self._forget()
        return self._points - before

    def _send(self, metric: Metric, stamp: int) -> None:
        """Sends the samples of a metric. This loop is what a push of many samples takes."""
        cache, push = self._cache, self._pushes
        new: list[tuple[_Entry, str, _Labels, float, float | None]] = []
        distributions: dict[_Labels, list[tuple[float, float]]] = {}
        points = 0
        for sample in metric.samples:
            value, time_of_its_own = sample.value, sample.timestamp
            key = (sample.name, tuple(sample.labels.items()))
            entry = cache.get(key)
            if entry is None:
                entry = cache[key] = self._meet(metric, *key)
                own = None if time_of_its_own is None else float(time_of_its_own)
                new.append((entry, *key, value, own))
                continue
            entry.push = push
            send = entry.send
            if send is None:
                continue
            if value.__class__ is float:
                if value - value != 0.0:
                    self._not_finite += 1
                    continue
                if value.is_integer() and -WHOLE <= value < WHOLE:
                    value = int(value)
            if time_of_its_own is None:
                points += send(value, stamp)
            else:
                at = int(float(time_of_its_own))
                if at != entry.at:
                    entry.at = at
                    points += send(value, at)
        self._points += points
        if new:
            self._begin(metric, new, stamp)
        if self._buckets == "percentiles" and metric.type == "histogram":
            for name, labels, value in (sample[:3] for sample in metric.samples):
                if "le" in labels and name.endswith("_bucket"):
                    base = tuple((label, its) for label, its in labels.items() if label != "le")
                    distributions.setdefault(base, []).append((float(labels["le"]), value))
            for base, cumulative in distributions.items():
                self._estimate(metric.name, base, cumulative, stamp)

    def _begin(
        self, metric: Metric, new: list[tuple[_Entry, str, _Labels, float, float | None]], stamp: int
    ) -> None:
        """Sends samples that were never seen before: of totals a zero first, at the time they were created."""
        created = {}
        if metric.type in ("counter", "histogram", "summary"):
            created = {
                tuple(sample.labels.items()): sample.value
                for sample in metric.samples
                if sample.name == f"{metric.name}_created"
            }
        for entry, name, labels, given, time_of_its_own in new:
            entry.push = self._pushes
            if entry.send is None:
                continue
            value = number(given)
            if value is None:
                self._not_finite += 1
                continue
            if time_of_its_own is not None:
                entry.at = int(time_of_its_own)
                self._points += entry.send(value, entry.at)
                continue
            birth = int(created.get(tuple(label for label in labels if label[0] != "le"), 0))
            at = stamp
            if birth and name != f"{metric.name}_created":
                # In the second of its birth it is the zero that has the place.
                at = max(stamp, birth + 1)
                self._clock.reach(at)
                self._points += entry.send(0, birth)
            self._points += entry.send(value, at)

    def _meet(self, metric: Metric, name: str, labels: _Labels) -> _Entry:
        """Decides what becomes of samples like this one, and makes their series."""
        if metric.name not in self._described:
            self._described.add(metric.name)
            described = f"{metric.name}_total" if metric.type == "counter" else metric.name
            self._outlet.describe(self._prefix + described, metric.unit, metric.documentation)
        totals = metric.type in ("counter", "histogram", "summary", "gaugehistogram")
        if totals and name == f"{metric.name}_created" and not self._created:
            return _Entry(None)
        # An empty label is none, in Prometheus' model.
        tags = {label: value for label, value in labels if value}
        if "le" in tags and metric.type in ("histogram", "gaugehistogram"):
            if metric.type == "histogram" and self._buckets != "le":
                return _Entry(None)
            tags["le"] = bound(float(tags["le"]))
        return _Entry(self._outlet.series((name, labels), self._prefix + name, tags))

    def _estimate(self, metric: str, labels: _Labels, cumulative: list[tuple[float, float]], stamp: int) -> None:
        """Sends the percentiles of the values that a histogram got since the last push."""
        bounds, totals = zip(*sorted(cumulative))
        counts = [int(total - below) for total, below in zip(totals, (0, *totals))]
        now = Explicit(bounds, counts)
        before = self._before.get((metric, labels))
        self._before[metric, labels] = now
        since = (before and now.combined(before, -1)) or now
        for quantile, value in percentiles(since.spans(), self._quantiles):
            key = (metric, (*labels, ("quantile", bound(quantile))))
            entry = self._cache.get(key)
            if entry is None:
                tags = {label: its for label, its in key[1] if its}
                entry = self._cache[key] = _Entry(self._outlet.series(key, self._prefix + metric, tags))
            entry.push = self._pushes
            exact = number(value)
            if entry.send is not None and exact is not None:
                self._points += entry.send(exact, max(stamp, self._clock.last))

    def _forget(self) -> None:
        """Lets go of the series that the registry no longer has."""
        gone = {key for key, entry in self._cache.items() if entry.push != self._pushes}
        self._cache = {key: entry for key, entry in self._cache.items() if key not in gone}
        self._outlet.forget(gone)
        kept = [(metric, labels) for metric, labels in self._before if (f"{metric}_count", labels) in self._cache]
        self._before = {key: self._before[key] for key in kept}


def _of_all_processes(registry: Collector, client: Client) -> tuple[Collector, Turns | None]:
    """The registry to push, and whose turn it is where several processes count in one folder."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return registry, None
    from prometheus_client.multiprocess import MultiProcessCollector

    if registry is REGISTRY:
        # What it collects itself is of this process alone.
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    elif not any(isinstance(each, MultiProcessCollector) for each in _collectors(registry)):
        return registry, None
    return registry, Turns(folder, "{}.{}".format(*client._endpoint))


def _collectors(registry: Any) -> list[Collector]:
    """What the registry asks when it is asked, one by one: it would let the error of one end the collection."""
    try:
        # In one step and without its lock, which a fork may have left held for ever.
        collectors: list[Collector] = list(registry._collector_to_names)
        if registry._target_info:
            collectors.insert(0, _TargetInfo(registry._target_info))
    except (AttributeError, TypeError):  # no CollectorRegistry, or one of another version
        return [registry]
    return collectors


class _TargetInfo:
    """The metric that a registry makes itself."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        metric = Metric("target", "Target metadata", "info")
        metric.add_sample("target_info", self._labels, 1)
        return [metric]
