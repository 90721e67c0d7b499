"""A client with the calls of `statsd.StatsClient`, which counts in the process and sends to OpenTSDB.

    from potsdb.statsd import StatsClient                          # was: from statsd import StatsClient

    statsd = StatsClient("localhost", 4242, prefix="web")
    statsd.incr("requests")

What statsd's server does with a stat is done here: see `potsdb.instruments`. No stat is lost on the way, and `rate` costs no
exactness: every call counts as one, as an update takes less than choosing those that do. A stat that no server could store,
or that is a counter and a gauge at once, is told to the logger `potsdb`, and raises nothing.

| call | series |
|---|---|
| `incr` | its name: the total |
| `decr`, `incr` by less than 0 | `.decr`: the total; what is counted is the difference of the two |
| `gauge` | its name |
| `timing`, `timer` | `.count .sum .min .max .p50 .p90 .p99 .p999`, in milliseconds |
| `set` | its name: how many different values there were in the interval |

Names keep `.`; characters that OpenTSDB does not allow become `_`. As an extension each call takes `tags={"path": "/login"}`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, TypeVar

from ._outlet import Outlet, Send
from ._potsdb import Client, Counter, Gauge, Histogram, Instruments
from ._records import invalid
from ._ticks import Clock, Ticks
from .client import Client as _Client

__all__ = ["Pipeline", "StatsClient", "Timer"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Tags = Mapping[str, object]


class _Calls:
    """The calls that clients and pipelines share."""

    _prefix: str | None

    def incr(self, stat: str, count: float = 1, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Adds to a counter."""
        raise NotImplementedError

    def gauge(
        self, stat: str, value: float, rate: float = 1, delta: bool = False, *, tags: _Tags | None = None
    ) -> None:
        """Sets a gauge, or with `delta` adds to it."""
        raise NotImplementedError

    def set(self, stat: str, value: object, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Counts how many different values there are in an interval."""
        raise NotImplementedError

    def timing(self, stat: str, delta: float | timedelta, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Records a time: a number of milliseconds, or a `timedelta`."""
        raise NotImplementedError

    def decr(self, stat: str, count: float = 1, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Takes from a counter."""
        self.incr(stat, -count, rate, tags=tags)

    def timer(self, stat: str, rate: float = 1, *, tags: _Tags | None = None) -> Timer:
        """Makes a timer, which measures a block, or each call of a function or coroutine that it decorates."""
        return Timer(self, stat, rate, tags=tags)

    def pipeline(self) -> Pipeline:
        """Makes a pipeline: its calls count when it is sent."""
        return Pipeline(self)


class StatsClient(_Calls):
    """Takes the arguments of statsd's client, of the server of OpenTSDB; `maxudpsize` and `ipv6` are of no consequence.

    `client`: a client that is there already. Otherwise one is made of `host` (which may be a URL) and `port`, and closed by `close`.
    `interval`: seconds between two points of a series, as in `Instruments`.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 4242,
        prefix: str | None = None,
        maxudpsize: int = 512,
        ipv6: bool = False,
        *,
        client: Client | None = None,
        tags: _Tags | None = None,
        interval: float = 10.0,
    ) -> None:
        self._own = client is None
        if client is None:
            port_of_url = {} if "://" in host else {"port": port}
            client = _Client(host, check_host=False, **port_of_url)  # type: ignore[arg-type]
        self._client, self._prefix, self._common = client, prefix, dict(tags or {})
        self._instruments = Instruments(client, interval=interval, names="replace")
        # Apart: statsd's server lets a timing have the name of a counter, and the series have other names here too.
        self._distributions = Instruments(client, interval=interval, names="replace")
        self._counters: dict[object, Counter] = {}
        self._gauges: dict[object, Gauge] = {}
        self._timings: dict[object, Histogram] = {}
        self._sets = _Sets(client, interval)

    def incr(self, stat: str, count: float = 1, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Adds to a counter; with less than 0 to the one of what is taken."""
        if count < 0:
            stat, count = f"{stat}.decr", -count
        key = _key(stat, tags)
        counter = self._counters.get(key)
        if counter is None:
            try:
                counter = self._instruments.counter(self._name(stat), tags=self._tags(tags))
            except ValueError as error:
                return invalid(stat, str(error))
            self._counters[key] = counter
        counter.add(count)

    def gauge(
        self, stat: str, value: float, rate: float = 1, delta: bool = False, *, tags: _Tags | None = None
    ) -> None:
        """Sets a gauge, or with `delta` adds to it."""
        key = _key(stat, tags)
        gauge = self._gauges.get(key)
        if gauge is None:
            try:
                gauge = self._instruments.gauge(self._name(stat), tags=self._tags(tags))
            except ValueError as error:
                return invalid(stat, str(error))
            self._gauges[key] = gauge
        if delta:
            gauge.add(value)
        else:
            gauge.set(value)

    def timing(self, stat: str, delta: float | timedelta, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Records a time: a number of milliseconds, or a `timedelta`."""
        key = _key(stat, tags)
        timing = self._timings.get(key)
        if timing is None:
            try:
                timing = self._distributions.histogram(self._name(stat), tags=self._tags(tags))
            except ValueError as error:
                return invalid(stat, str(error))
            self._timings[key] = timing
        timing.record(delta.total_seconds() * 1000 if isinstance(delta, timedelta) else delta)

    def set(self, stat: str, value: object, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Counts how many different values there are in an interval, as they are written."""
        self._sets.add(self._name(stat), self._tags(tags), str(value))

    def close(self) -> None:
        """Sends what was counted, and closes the client if it was made here. It returns at once."""
        self._sets.stop()
        if self._own and isinstance(self._client, _Client):
            self._client.close()

    def _name(self, stat: str) -> str:
        return f"{self._prefix}.{stat}" if self._prefix else stat

    def _tags(self, tags: _Tags | None) -> dict[str, object]:
        return {**self._common, **(tags or {})}


class Timer:
    """Measures: `with statsd.timer("took"):`, `@statsd.timer("took")`, or `start` and `stop`."""

    def __init__(self, client: _Calls, stat: str, rate: float = 1, *, tags: _Tags | None = None) -> None:
        self.client, self.stat, self.rate, self.tags = client, stat, rate, tags
        self.ms: float | None = None
        """Milliseconds measured last."""
        self._sent = False
        self._start_time: float | None = None

    def __call__(self, f: _Function) -> _Function:
        """Makes a function, or a coroutine, that measures each of its calls, in any number of threads and tasks."""
        function: Any = f
        while isinstance(function, functools.partial):
            function = function.func

        @functools.wraps(function)
        async def coroutine(*arguments: Any, **keywords: Any) -> Any:
            with Timer(self.client, self.stat, self.rate, tags=self.tags):
                return await f(*arguments, **keywords)

        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            with Timer(self.client, self.stat, self.rate, tags=self.tags):
                return f(*arguments, **keywords)

        return coroutine if iscoroutinefunction(f) else call  # type: ignore[return-value]

    def __enter__(self) -> Timer:
        return self.start()

    def __exit__(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Timer:
        """Begins to measure."""
        self.ms, self._sent, self._start_time = None, False, time.perf_counter()
        return self

    def stop(self, send: bool = True) -> Timer:
        """Ends what `start` began, and records it."""
        if self._start_time is None:
            raise RuntimeError("Timer has not started.")
        self.ms = 1000.0 * (time.perf_counter() - self._start_time)
        if send:
            self.send()
        return self

    def send(self) -> None:
        """Records what was measured, once."""
        if self.ms is None:
            raise RuntimeError("No data recorded.")
        if self._sent:
            raise RuntimeError("Already sent data.")
        self._sent = True
        self.client.timing(self.stat, self.ms, self.rate, tags=self.tags)


class Pipeline(_Calls):
    """Calls that count when they are sent: by `send`, or at the end of `with`."""

    def __init__(self, client: _Calls) -> None:
        self._client, self._prefix = client, client._prefix
        self._calls: list[Callable[[], None]] = []

    def incr(self, stat: str, count: float = 1, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Adds to a counter."""
        self._calls.append(lambda: self._client.incr(stat, count, rate, tags=tags))

    def gauge(
        self, stat: str, value: float, rate: float = 1, delta: bool = False, *, tags: _Tags | None = None
    ) -> None:
        """Sets a gauge, or with `delta` adds to it."""
        self._calls.append(lambda: self._client.gauge(stat, value, rate, delta, tags=tags))

    def set(self, stat: str, value: object, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Counts how many different values there are in an interval."""
        self._calls.append(lambda: self._client.set(stat, value, rate, tags=tags))

    def timing(self, stat: str, delta: float | timedelta, rate: float = 1, *, tags: _Tags | None = None) -> None:
        """Records a time: a number of milliseconds, or a `timedelta`."""
        self._calls.append(lambda: self._client.timing(stat, delta, rate, tags=tags))

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.send()

    def send(self) -> None:
        """Lets the calls count, in their order."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()


class _Sets:
    """The different values of each set in the interval, of which only the number is sent, at each tick.

    In a forked child they are empty, and the first value begins the ticks there.
    """

    def __init__(self, client: Client, interval: float) -> None:
        self._interval = interval
        self._outlet = Outlet(client, "replace", {})
        self._series: dict[object, Send | None] = {}
        self._values: dict[object, set[str]] = {}
        self._clock = Clock(client)
        self._ticks = Ticks(client, self._push, self._forked)

    def add(self, name: str, tags: Mapping[str, object], value: str) -> None:
        key = _key(name, tags)
        values = self._values.get(key)
        if values is None:
            if key not in self._series:
                self._series[key] = self._outlet.series(key, name, {tag: str(its) for tag, its in tags.items()})
            values = self._values.setdefault(key, set())
            self._ticks.start(self._interval)
        values.add(value)

    def stop(self) -> None:
        self._ticks.stop()

    def _push(self, at: int, final: bool) -> int:
        stamp = self._clock.stamp(at, final)
        if stamp is None:
            return 0
        points = 0
        for key, values in list(self._values.items()):
            # A new one each time, put there before the old one is counted: what is added meanwhile is of the next interval.
            self._values[key] = set()
            send = self._series[key]
            points += send is not None and send(len(values), stamp)
        return points

    def _forked(self) -> bool:
        self._values = {}
        return False


def _key(stat: str, tags: _Tags | None) -> object:
    return (stat, *sorted(tags.items())) if tags else stat
