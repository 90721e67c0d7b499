"""The extension module: the Rust client. Use it through the package `potsdb`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex, SupportsInt, TypeVar, final, overload

from typing_extensions import Buffer, Self, TypeAlias, disjoint_base

__all__ = [
    "Barrier",
    "Client",
    "Counter",
    "EndpointState",
    "Gauge",
    "Histogram",
    "Instruments",
    "Receiver",
    "Running",
    "SentFrame",
    "Series",
    "SpoolState",
    "Stats",
    "Timer",
    "__version__",
    "drain_all",
    "install",
    "options",
]

__version__: str

_Value: TypeAlias = SupportsFloat | SupportsIndex | str | Buffer
_Number: TypeAlias = SupportsFloat | SupportsIndex
_Function = TypeVar("_Function", bound=Callable[..., Any])
_Time: TypeAlias = SupportsInt | SupportsIndex | str | Buffer

class _Table(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@disjoint_base
class Client:
    """A client. Made empty, so that a subclass may have an `__init__` of its own; `_open` opens it."""

    def __new__(cls, *_args: Any, **_keywords: Any) -> Self: ...
    @overload
    def send(self, name: str, val: _Value, /, *, timestamp: _Time = ..., **tags: object) -> str | None:
        """Queues one point and returns at once, with the exact line queued.

        `None`: no point was made of it, because it repeats its series and time, or because it is
        illegal and `invalid="drop"`. `tags` may be given as a mapping, too: `tags={"if": "eth0"}`.
        """
    @overload
    def send(self, name: str, /, *, val: _Value, timestamp: _Time = ..., **tags: object) -> str | None: ...
    @overload
    def send(self, *, name: str, val: _Value, timestamp: _Time = ..., **tags: object) -> str | None: ...
    def series(self, name: str, /, **tags: object) -> Series:
        """Makes a series: a metric with its tags, checked and rendered once.

        Where potsdb 1.0.3 would have raised, or with `invalid="raise"`, illegal names raise
        `InvalidPoint`; otherwise the series counts each of its points as invalid.
        """
    def send_frame(
        self,
        table: _Table,
        /,
        *,
        value: str | Iterable[str] | Mapping[str, str],
        metric: str | None = None,
        metric_column: str | None = None,
        timestamp: str | None = None,
        tags: str | Iterable[str] | Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> SentFrame:
        """Sends a table: each cell of its value columns is a point.

        `table` is pandas', Polars', PyArrow's, or anything's with `__arrow_c_stream__`. `value` names the columns of values:
        one with `metric` (or `metric_column`, where it stands in a column), several as a mapping of columns to
        metrics, or as a list of columns named as their metrics. `tags` are columns of strings, plain or categorical.
        `timestamp` is a column of timestamps or of integers of 10 or 13 digits; without it the points are of now.

        Times are cut to the second, or with `precision="milliseconds"` to the millisecond. Waits for room while the queue
        is full, at most `timeout` seconds; `rows` says how many rows were sent. Null and NaN make no point, a
        null tag is left out; illegal cells are counted, and told by row and column as `invalid` has it.
        """
    @property
    def instruments(self) -> Instruments:
        """The client's own instruments: those of `counter`, `gauge`, `histogram` and `timer`."""
    def counter(self, name: str, /, **tags: object) -> Counter:
        """Hands out a counter: a total that grows, sent at each tick and at the end.

        The same name and tags give the same counter. Illegal names raise as those of `series` do; with
        `invalid="drop"` each update of such a counter is counted as invalid.
        """
    def gauge(self, name: str, /, **tags: object) -> Gauge:
        """Hands out a gauge: a value that goes up and down, sent at each tick and at the end."""
    def histogram(self, name: str, /, **tags: object) -> Histogram:
        """Hands out a histogram: a distribution of values, sent as count, sum, extremes and percentiles."""
    def timer(self, name: str, /, **tags: object) -> Timer:
        """Hands out a timer: a histogram of the seconds that blocks and functions take."""
    def flush(self, timeout: float | None = None) -> bool:
        """Waits until every point sent before has its verdict; False when `timeout` seconds came first, or the client ended and
        left some in its spool.
        """
    def sync(self, timeout: float | None = None) -> bool:
        """Waits until every point sent before has its verdict, or is in the spool and synced to the disk; False when `timeout`
        seconds came first. A server need not be there. Without the option `spool` it is `flush`.
        """
    def stats(self) -> Stats:
        """Every point accounted for, at this instant."""
    def stop(self) -> None:
        """Gives up what is queued; the worker ends as soon as it can. Returns at once."""
    @property
    def worker(self) -> str | None:
        """This process's value of the tag that `worker_tag` names; None without that option."""
    def _open(
        self, url: str | None, keywords: Mapping[str, Any], *, port: int | None = None, old: bool = False
    ) -> None: ...
    def _begin_close(self, timeout: float | None = None) -> None: ...
    def _wait_closed(self, timeout: float | None) -> bool: ...
    def _close(self, timeout: float | None, told: bool) -> Stats: ...
    def _barrier(self) -> Barrier: ...
    def _sync_barrier(self) -> Barrier: ...
    @property
    def _is_closed(self) -> bool: ...
    @property
    def _is_running(self) -> bool: ...
    def _keep_number_until(self, second: int) -> None: ...
    @property
    def _host_tag(self) -> str | None: ...
    @property
    def _endpoint(self) -> tuple[str, int]: ...
    @property
    def _queue_points(self) -> int: ...
    @property
    def _close_grace(self) -> float: ...

@final
class Series:
    """One series of a client: its metric and tags, made once and used for many points."""

    def send(self, value: _Value, timestamp: _Time | None = None) -> bool:
        """Queues one point; True when it was queued, False for a repeat or an illegal point."""

@final
class SentFrame:
    """What became of a table's cells."""

    def __new__(
        cls,
        queued: int = 0,
        skipped: int = 0,
        invalid: int = 0,
        rows: int = 0,
        bad: list[tuple[int, str, str]] = ...,
    ) -> Self: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def queued(self) -> int:
        """Points accepted."""
    @property
    def skipped(self) -> int:
        """Cells without a value or a time: no points were made of them."""
    @property
    def invalid(self) -> int:
        """Cells refused."""
    @property
    def rows(self) -> int:
        """Rows sent: all of them, unless the time was over."""
    @property
    def bad(self) -> list[tuple[int, str, str]]:
        """The first ten cells refused: row, column, and what is illegal."""

@final
class Instruments:
    """Counters, gauges, histograms and timers of one client, which are sent together.

    Every `interval` seconds, at times that are multiples of it, all have a point with the same timestamp. `flush`, `close`,
    `wait` and the program's end send the last state first. A forked child starts at zero.
    """

    def __new__(
        cls,
        client: Client,
        /,
        *,
        interval: float = 10.0,
        style: Literal["dotted", "prometheus"] = "dotted",
        names: Literal["refuse", "replace", "escape"] = "refuse",
        max_series: int = 10000,
        idle_timeout: float | None = None,
        quantiles: Sequence[float] = (0.5, 0.9, 0.99, 0.999),
        buckets: Sequence[float] = (),
    ) -> Self:
        """Makes instruments with settings of their own.

        `interval`: whole seconds. `style`: `dotted` sends histograms as `.count .sum .min .max .p50 .p90 .p99 .p999`,
        `prometheus` as `_count _sum _max` and by a tag `quantile`. `names`: what becomes of characters that OpenTSDB
        does not allow; `escape` can be undone. `max_series`: of a metric, 0 for no limit; a report at 80 % names the tag
        that grows, and updates beyond it are counted and not sent. `idle_timeout`: seconds without an update after
        which a series ends; never, unless said. `quantiles`: 0.5, 0.9, 0.99 and 0.999, unless said. `buckets`: bounds
        of which histograms count the values up to each, in series with the tag `le`.
        """
    def counter(self, name: str, /, **tags: object) -> Counter:
        """Hands out a counter: a total that grows, sent at each tick and at the end."""
    def gauge(self, name: str, /, **tags: object) -> Gauge:
        """Hands out a gauge: a value that goes up and down, sent at each tick and at the end."""
    def histogram(self, name: str, /, **tags: object) -> Histogram:
        """Hands out a histogram: a distribution of values, sent as count, sum, extremes and percentiles."""
    def timer(self, name: str, /, **tags: object) -> Timer:
        """Hands out a timer: a histogram of the seconds that blocks and functions take."""
    def describe(self, name: str, /, unit: str = "", text: str = "") -> None:
        """Says what a metric is measured in and means; kept for `descriptions`, as OpenTSDB's `put` has no place for it."""
    def descriptions(self) -> dict[str, dict[str, str | None]]:
        """What was said about metrics: a dict of kind, unit and text for each."""
    def stats(self) -> dict[str, int]:
        """What was not sent, as a dict: instruments, refused, beyond_limit, merged."""

@final
class Counter:
    """A total that grows. What is sent is the total in this process, at each tick and at the end."""

    def add(self, n: _Number = 1) -> None:
        """Adds to the total. Adding 0 makes the counter known to the server.

        What is negative raises `ValueError`; NaN and infinity are refused and counted.
        """
    @property
    def total(self) -> int | float:
        """What was added in this process."""

@final
class Gauge:
    """A value that goes up and down. What is sent is the value, at each tick and at the end."""

    def set(self, value: _Number) -> None:
        """Sets the value. NaN and infinity are refused and counted."""
    def add(self, n: _Number = 1) -> None:
        """Adds to the value, which is 0 at first."""
    def sub(self, n: _Number = 1) -> None:
        """Subtracts from the value."""
    @property
    def value(self) -> float | None:
        """The value in this process; None before it was set."""

@final
class Histogram:
    """A distribution of values: `.count` and `.sum`, which only grow, and `.min .max .p50 .p90 .p99 .p999` of the interval.

    The percentiles are within 0.8 %.
    """

    def record(self, value: _Number) -> None:
        """Records a value. NaN and infinity are refused and counted."""

@final
class Timer:
    """A histogram of the seconds that blocks and functions take.

    `with timer:` and `async with timer:` measure a block, `with timer.time() as block:` one with a token of its own,
    and `@timer` every call of a function or coroutine. Blocks may overlap in any number of threads, tasks and
    greenlets. Generators that take turns within one of them want `timer.time()`.
    """

    def time(self) -> Running:
        """Begins to measure, and returns the token: `with timer.time() as block:`, or `block.stop()`."""
    def record(self, seconds: _Number) -> None:
        """Records seconds that were measured elsewhere."""
    def __enter__(self) -> Self: ...
    def __exit__(self, _kind: object, _error: object, _traceback: object, /) -> Literal[False]: ...
    def __aenter__(self) -> Awaitable[Self]: ...
    def __aexit__(self, kind: object, error: object, traceback: object, /) -> Awaitable[None]: ...
    def __call__(self, function: _Function, /) -> _Function:
        """Makes a function, or a coroutine, that measures each of its calls."""

@final
class Running:
    """A block that is being measured: what `timer.time()` returns. It is measured once."""

    def stop(self) -> float:
        """Records how many seconds it took, and returns them."""
    def discard(self) -> None:
        """Records nothing."""
    def __enter__(self) -> Self: ...
    def __exit__(self, _kind: object, _error: object, _traceback: object, /) -> Literal[False]: ...
    def __aenter__(self) -> Awaitable[Self]: ...
    def __aexit__(self, kind: object, error: object, traceback: object, /) -> Awaitable[None]: ...

@final
class Stats:
    """Everything a client counts, at one instant: a value, made by a client or of what `as_dict` gave.

    `accepted + adopted == acknowledged + unconfirmed + rejected + dropped + pending`, always.
    """

    def __new__(cls, fields: Mapping[str, Any], /) -> Self: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def accepted(self) -> int:
        """Points taken by `send`."""
    @property
    def adopted(self) -> int:
        """Points taken over from the spool: another process left them there, or this program's last run."""
    @property
    def acknowledged(self) -> int:
        """Points the server answered for."""
    @property
    def unconfirmed(self) -> int:
        """Points written to a server that cannot answer."""
    @property
    def delivered(self) -> int:
        """Acknowledged or unconfirmed."""
    @property
    def rejected(self) -> int:
        """Points the server refused; its words are in `last_rejections`."""
    @property
    def dropped(self) -> int:
        """Points given up, for the reasons below."""
    @property
    def dropped_queue_full(self) -> int:
        """Pushed out of a full queue, or not let in under `overflow="drop_newest"`."""
    @property
    def dropped_expired(self) -> int:
        """Older than `max_age` when their turn came."""
    @property
    def dropped_closed(self) -> int:
        """Still pending when `close` reached its deadline, or the program its end."""
    @property
    def dropped_stopped(self) -> int:
        """Given up by `stop`."""
    @property
    def dropped_spool_full(self) -> int:
        """Pushed out of a full spool."""
    @property
    def dropped_spool_damaged(self) -> int:
        """Lost in a damaged spool: cut off, overwritten, or deleted by somebody else."""
    @property
    def dropped_test_mode(self) -> int:
        """Consumed by `test_mode`, which writes nothing."""
    @property
    def pending(self) -> int:
        """Points without a verdict: queued, in flight or spooled."""
    @property
    def queued(self) -> int:
        """In the queue, not yet taken by the worker."""
    @property
    def in_flight(self) -> int:
        """Taken by the worker, without a verdict so far."""
    @property
    def spooled(self) -> int:
        """In the spool on disk, or on their way there, and nowhere else."""
    @property
    def invalid(self) -> int:
        """Calls refused because of their content."""
    @property
    def full(self) -> int:
        """Calls refused for want of room under `overflow="block"`."""
    @property
    def replaced(self) -> int:
        """Characters and cuts that `invalid="replace"` repaired."""
    @property
    def repeated(self) -> int:
        """Calls whose series already had a point at that time."""
    @property
    def resent(self) -> int:
        """Points written once more."""
    @property
    def late_errors(self) -> int:
        """Errors of the server that named no point."""
    @property
    def released_early(self) -> int:
        """Answered points let go before they had settled, because `settle_bytes` was reached."""
    @property
    def unsettled(self) -> int:
        """Answered points that were still settling when the client closed."""
    @property
    def torn(self) -> int:
        """Connections ended in the middle of a line."""
    @property
    def spool_damaged_bytes(self) -> int:
        """Bytes in the spool that cannot be read as points."""
    @property
    def bytes_written(self) -> int:
        """Bytes handed to the kernel."""
    @property
    def connects(self) -> int:
        """Connections established."""
    @property
    def panics(self) -> int:
        """Panics of the worker. Not 0 is a defect of potsdb: please report it."""
    @property
    def rejections(self) -> list[tuple[str, int]]:
        """Error replies by kind."""
    @property
    def last_rejections(self) -> list[str]:
        """The server's own words, newest last."""
    @property
    def endpoints(self) -> list[EndpointState]:
        """How each endpoint is doing."""
    @property
    def oldest_pending(self) -> float | None:
        """Seconds the oldest point without a verdict has been waiting."""
    @property
    def last_answer(self) -> float | None:
        """Seconds the last answer took."""
    @property
    def rate(self) -> float:
        """Points written in the last second."""
    @property
    def spool(self) -> SpoolState | None:
        """How the spool is doing; None without the option `spool`."""
    @property
    def by_metric(self) -> list[tuple[str, int, int]]:
        """Of each metric its name, points and bytes, if `by_metric` is given; the empty name is all others."""
    def as_dict(self) -> dict[str, Any]:
        """Everything by name, as plain numbers, strings, lists and dicts."""

@final
class EndpointState:
    """How one endpoint is doing: a value, made by a client or of what `as_dict` gave."""

    def __new__(cls, fields: Mapping[str, Any], /) -> Self: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def name(self) -> str:
        """Its URL."""
    @property
    def state(self) -> str:
        """What it is doing, in words."""
    @property
    def server(self) -> str | None:
        """What it answered when it was asked what it is."""
    @property
    def last_error(self) -> str | None:
        """Why the last connection ended or was not made."""
    @property
    def limit(self) -> float | None:
        """Points per second it is held to, since it asked for less."""
    @property
    def window_bytes(self) -> int:
        """Bytes of lines its connections may have without an answer, now."""
    @property
    def clock_skew(self) -> int | None:
        """How many seconds its clock is ahead of this machine's at least, less than 0 if it is behind; over HTTP."""
    def as_dict(self) -> dict[str, Any]:
        """Everything by name, as plain numbers, strings, lists and dicts."""

@final
class SpoolState:
    """How the spool is doing: a value, made by a client or of what `as_dict` gave."""

    def __new__(cls, fields: Mapping[str, Any], /) -> Self: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def bytes(self) -> int:
        """Bytes of its segments on disk, in all slots of this process."""
    @property
    def segments(self) -> int:
        """Segments on disk."""
    @property
    def slots(self) -> int:
        """Slots of this process: its own, and those it has adopted; 0 until the spool is open."""
    @property
    def unsynced(self) -> int:
        """Bytes that are not yet known to survive the machine's end."""
    @property
    def oldest(self) -> float | None:
        """Seconds since the oldest segment was begun; None: there is none."""
    @property
    def full_in(self) -> float | None:
        """Seconds until `spool_bytes` are reached at the pace of the last minute; None: it does not grow."""
    @property
    def syncs(self) -> int:
        """Syncs since the client was opened."""
    @property
    def stalled(self) -> bool:
        """A call of the disk has taken more than 5 s and not returned: nothing gets safe meanwhile, and points go on."""
    @property
    def off(self) -> str | None:
        """Why the disk is left alone for now; None: it is not."""
    def as_dict(self) -> dict[str, Any]:
        """Everything by name, as plain numbers, strings, lists and dicts."""

@final
class Barrier:
    """A place in the order of sending, to be asked whether it is reached."""

    def is_reached(self) -> bool:
        """Whether every point sent before the barrier has its verdict; of a sync, whether every one is safe."""
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for: it is reached, or the client has ended and left points in its spool."""

_Point: TypeAlias = tuple[str, list[tuple[str, str]], int, int | float, int]
_Name: TypeAlias = tuple[str, list[tuple[str, str]]]
_Everything: TypeAlias = tuple[
    str, int, int | float, int | float | None, int | float, list[int | float], list[_Point], list[_Name]
]

@final
class Receiver:
    """A server for tests, in the process. Use it through `potsdb.testing`."""

    def __new__(
        cls, *, port: int, server: str, known_metrics: Sequence[str] | None, forget: float | None
    ) -> Self: ...
    @property
    def port(self) -> int: ...
    def close(self) -> None:
        """Ends it, and its port. Later calls raise; a second close does nothing, nor does one in a forked child."""
    def points(self, metric: str | None, tags: Sequence[tuple[str, str]]) -> list[_Point]: ...
    def series(self, metric: str | None, tags: Sequence[tuple[str, str]]) -> list[_Name]: ...
    def has(self, metric: str, tags: Sequence[tuple[str, str]]) -> _Everything: ...
    def wait_for(
        self,
        metric: str,
        tags: Sequence[tuple[str, str]],
        count: int | None,
        sum: float | None,
        last: float | None,
        increase: float | None,
        timeout: float | None,
    ) -> _Everything:
        """Waits until what is wanted is there; raises `AssertionError` after `timeout` seconds."""
    def refused(self) -> list[tuple[str, str]]:
        """Line and reason of each."""
    def collisions(self) -> list[tuple[str, list[tuple[str, str]], int, int, str, str]]:
        """Metric, tags, times, timestamp, before, after."""
    def stats(self) -> dict[str, int]: ...
    def clear(self) -> None: ...
    def restart(self) -> None:
        """Dies and comes back; returns when it listens again."""
    def die(self) -> None: ...
    def reset(self) -> None: ...
    def stall(self, answers_only: bool) -> None: ...
    def refuse(self, metrics: Sequence[str]) -> None: ...
    def fail(self, status: int, times: int | None, retry_after: int | None) -> None: ...
    def throttle(self, times: int | None) -> None: ...
    def lose_answers(self, times: int | None) -> None: ...
    def resume(self) -> None: ...

def install(
    *,
    invalid_point: type[Exception],
    invalid_overflow: type[Exception],
    closed: type[Exception],
    queue_full: type[Exception],
    config_error: type[Exception],
    report: Callable[[int, str], None],
    refused: Callable[[str, str], None],
    lean: Callable[[Any, list[str]], object],
    measured: Callable[[Timer, Callable[..., Any]], Callable[..., Any]],
) -> None:
    """Takes over what the package brings."""

def drain_all() -> str | None:
    """Drains every client within its `close_grace`; the line to print, if something was not delivered."""

def options() -> list[tuple[str, str, str]]:
    """Every option, in the order of the documentation: its name, its default as text, its meaning."""
