"""A server for tests, in the process: what a program sends to it is looked at, waited for, and outages are rehearsed.

    from potsdb.testing import Receiver

    def test_logins_are_counted():
        with Receiver() as tsd:
            with potsdb.Client.from_url(tsd.url) as metrics:
                metrics.counter("web.requests", path="/login").add(3)
            assert tsd.has("web.requests", path="/login").increase == 3

In pytest the fixture `tsd` is such a receiver, made for each test that asks for it. It is the server of `potsdb serve`:
OpenTSDB 2.4.1 on the wire, or another, over telnet (`tsd.url`) and HTTP (`tsd.http_url`), at a free port of this machine.

Tags that are asked for are some of those a series has: `has("web.requests", path="/login")` also finds points that have a
tag `host`. A tag with the name of another argument is given as a mapping: `tags={"timeout": "5"}`.

A point sent by `send` or a gauge stands for itself, and `sum`, `last` and `values` say what came. A counter sends its total, first
0 and then whatever it has grown to, so the sum of its points means nothing: ask for `increase`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from . import _potsdb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Collision", "Fault", "Found", "Point", "Receiver", "Refused", "SeriesName"]


class SeriesName(NamedTuple):
    """A metric with its tags."""

    metric: str
    tags: dict[str, str]


class Point(NamedTuple):
    """One stored point."""

    metric: str
    tags: dict[str, str]
    timestamp: int
    """As it was sent: seconds or milliseconds."""
    value: int | float
    """The value that came last, if it came several times."""
    copies: int
    """How many times it came. A client sends a point again when a connection dies before it was answered for."""


class Refused(NamedTuple):
    """A point that was refused."""

    line: str
    """The line as it came, or that a point over HTTP stands for."""
    reason: str
    """What the server said to it, or would have if it said anything."""


class Collision(NamedTuple):
    """A series that two connections wrote at the same time with other values: one overwrote the other."""

    metric: str
    tags: dict[str, str]
    times: int
    """How often it happened."""
    timestamp: int
    """Of the latest."""
    before: str
    """The value that was overwritten then."""
    after: str
    """The value that is there now."""


@dataclass(frozen=True, repr=False, eq=False)
class Found:
    """What there was of some series when it was asked for; false if there was no point.

    Its `repr`, which a failing `assert` shows, says what was found, or what is there instead.
    """

    description: str
    """What was found, or what is there instead: the nearest series and their tags."""
    count: int
    """How many points there are; one that came several times is one."""
    sum: int | float
    """Their values added up: for points that are sent one by one. Of a counter ask for `increase`."""
    last: int | float | None
    """The value of the latest point, of whichever series."""
    increase: int | float
    """By how much the series grew, added up: what counters have counted.

    Since the last `clear`, or else since each series' first point, which a counter sends with 0. A value that falls
    began at 0 again, as that of a program that was started anew.
    """
    values: list[int | float]
    """The values in the order of time."""
    points: list[Point]
    """The points in the order of time."""
    series: list[SeriesName]
    """The series they are of."""

    def __bool__(self) -> bool:
        return self.count > 0

    def __repr__(self) -> str:
        return f"<{self.description}>"


class Fault:
    """A fault that has begun: used by `with`, it ends with the block, as does every other fault."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._receiver.resume()


class Receiver:
    """A server in this process, listening on 127.0.0.1 until it is closed.

    `port`: a free one, unless said. `server`: which server it is on the wire: opentsdb, victoriametrics, influxdb, kairosdb.
    `known_metrics`: if given, points of other metrics are refused as unknown. `forget`: seconds; points that are younger
    are lost when it restarts or dies, as OpenTSDB loses the last second's. It keeps everything else in memory, up to
    10 million points.

    A forked child, of gunicorn or `multiprocessing`, sends to its `url` like any other process, and asks it nothing.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        server: str = "opentsdb",
        known_metrics: Iterable[str] | None = None,
        forget: float | None = None,
    ) -> None:
        known = None if known_metrics is None else list(known_metrics)
        self._receiver = _potsdb.Receiver(port=port, server=server, known_metrics=known, forget=forget)

    @property
    def port(self) -> int:
        """The port it listens on, for both wires."""
        return self._receiver.port

    @property
    def url(self) -> str:
        """Its URL for a client over telnet: `tsdb://127.0.0.1:4242`."""
        return f"tsdb://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        """Its URL for a client over HTTP: `http://127.0.0.1:4242`."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Closes the port and all connections, and forgets everything. Done by `with` at its end."""
        self._receiver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<potsdb.testing.Receiver {self.url}>"

    # What came.

    def has(self, metric: str, /, *, tags: Mapping[str, object] | None = None, **more_tags: object) -> Found:
        """Finds the points of a metric, of all series that have these tags and perhaps others, as they are now.

        It does not wait: flush or close the client before, or use `wait_for`.
        """
        return _found(self._receiver.has(metric, _tags(tags, more_tags)))

    def wait_for(
        self,
        metric: str,
        /,
        *,
        count: int | None = None,
        sum: float | None = None,
        last: float | None = None,
        increase: float | None = None,
        timeout: float | None = 5.0,
        tags: Mapping[str, object] | None = None,
        **more_tags: object,
    ) -> Found:
        """Waits until what `has` would find is there, and has this `count`, `sum`, `last` and `increase`, if they are given.

        Raises `AssertionError` after `timeout` seconds (`None`: never), which says what was waited for, what came instead, and
        what was refused. Floats are compared to nine digits.
        """
        __tracebackhide__ = True
        asked = _tags(tags, more_tags)
        return _found(self._receiver.wait_for(metric, asked, count, sum, last, increase, timeout))

    def points(
        self, metric: str | None = None, /, *, tags: Mapping[str, object] | None = None, **more_tags: object
    ) -> list[Point]:
        """The points of a metric, or of all, that have these tags and perhaps others: by series, then by time."""
        return [_point(point) for point in self._receiver.points(metric, _tags(tags, more_tags))]

    def series(
        self, metric: str | None = None, /, *, tags: Mapping[str, object] | None = None, **more_tags: object
    ) -> list[SeriesName]:
        """The series of a metric, or of all, that have these tags and perhaps others, sorted."""
        return [_name(name) for name in self._receiver.series(metric, _tags(tags, more_tags))]

    @property
    def refused(self) -> list[Refused]:
        """The latest thousand points that were refused, oldest first, with the server's words."""
        return [Refused(*refused) for refused in self._receiver.refused()]

    @property
    def collisions(self) -> list[Collision]:
        """The series that two connections wrote at the same time with other values, sorted; at most a thousand.

        Processes that send the same series overwrite each other so, and each is told that its points were taken: give each
        process a tag of its own (the option `worker_tag`).
        """
        return [
            Collision(metric, dict(tags), times, timestamp, before, after)
            for metric, tags, times, timestamp, before, after in self._receiver.collisions()
        ]

    def stats(self) -> dict[str, int]:
        """Everything it counted since it was made: connections, points, answers lost, faults that struck."""
        return self._receiver.stats()

    def clear(self) -> None:
        """Forgets all points, refusals and collisions. `increase` counts from here; `stats` go on."""
        self._receiver.clear()

    # Outages.

    def restart(self) -> None:
        """Dies and comes back: resets all connections; returns when it listens again, at the same port.

        Points stay, but for those younger than `forget`.
        """
        self._receiver.restart()

    def reset(self) -> None:
        """Resets all connections, as a firewall does; new ones are served."""
        self._receiver.reset()

    def down(self) -> Fault:
        """Dies: resets all connections and refuses new ones, until `resume`."""
        self._receiver.die()
        return Fault(self)

    def stall(self, *, answers_only: bool = False) -> Fault:
        """Reads nothing from its connections, or with `answers_only` takes all points and answers nothing, until `resume`."""
        self._receiver.stall(answers_only)
        return Fault(self)

    def refuse(self, *metrics: str) -> Fault:
        """Refuses the points of these metrics, or of all if none is named, until `resume`, as OpenTSDB refuses unknown ones.

        `web.*` stands for all metrics that begin so.
        """
        self._receiver.refuse(list(metrics) or ["*"])
        return Fault(self)

    def fail(self, status: int = 503, *, times: int | None = None, retry_after: int | None = None) -> Fault:
        """Answers HTTP requests with a status, and stores nothing of them: the next `times`, or all until `resume`.

        `retry_after`: seconds, for the header of that name. Telnet knows no status.
        """
        self._receiver.fail(status, times, retry_after)
        return Fault(self)

    def throttle(self, *, times: int | None = None) -> Fault:
        """Drops points and says `Please throttle writes`, as OpenTSDB does when its storage is too slow.

        The next `times` points, or all until `resume`. Over HTTP only a client with `ack="stored"` is told.
        """
        self._receiver.throttle(times)
        return Fault(self)

    def lose_answers(self, *, times: int | None = None) -> Fault:
        """Stores points and never sends the answer: the next `times` answers, or all until `resume`."""
        self._receiver.lose_answers(times)
        return Fault(self)

    def resume(self) -> None:
        """Ends every fault."""
        self._receiver.resume()


def _tags(tags: Mapping[str, object] | None, more: Mapping[str, object]) -> list[tuple[str, str]]:
    """Both as names and values; a value is text as it is for `send`."""
    return [(name, str(value)) for name, value in {**(tags or {}), **more}.items()]


def _name(name: tuple[str, list[tuple[str, str]]]) -> SeriesName:
    metric, tags = name
    return SeriesName(metric, dict(tags))


def _point(point: tuple[str, list[tuple[str, str]], int, int | float, int]) -> Point:
    metric, tags, timestamp, value, copies = point
    return Point(metric, dict(tags), timestamp, value, copies)


def _found(everything: _potsdb._Everything) -> Found:
    description, count, total, last, increase, values, points, series = everything
    return Found(
        description,
        count,
        total,
        last,
        increase,
        values,
        [_point(point) for point in points],
        [_name(name) for name in series],
    )
