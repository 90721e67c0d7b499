"""The options as keywords, for annotations: `def open_metrics(**options: Unpack[potsdb.client.Options])`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from os import PathLike
from typing import TypedDict, Union

_Duration = Union[float, str, timedelta]

__all__ = ["Keywords", "Options"]


class Options(TypedDict, total=False):
    """The keywords that a client takes beside those of potsdb 1.0.3.

    A time is a number of seconds, text as `"250ms"`, or a `timedelta`; a size is a number of bytes, or text as `"4MiB"`.
    """

    server: str
    """Kind of server, instead of detecting it: opentsdb, victoriametrics, influxdb, kairosdb. Default: `auto`."""
    queue_points: int | str
    """Most points in the queue; 0: no limit but queue_bytes. Default: `100000`."""
    queue_bytes: int | str
    """Most bytes in the queue, at least 64KiB; if not given 64MiB, or 1GiB if queue_points is 0 or above its default."""
    overflow: str
    """When the queue is full: drop_oldest, drop_newest, block, block:5s. Default: `drop_oldest`."""
    tags: Mapping[str, object] | str
    """Tags of every point: k=v,k2=v2."""
    worker_tag: str
    """Name of a tag that numbers this program's processes on this host, such as worker."""
    prefix: str
    """Text that goes before every metric."""
    names: str
    """What names may hold: opentsdb, ascii, utf8. Default: `ascii`."""
    max_tags: int | str
    """Most tags of a point; 0: no limit. Default: `0`."""
    invalid: str
    """What becomes of an illegal point: drop, raise, replace. Default: `drop`."""
    repeats: str
    """What becomes of a second point of a series at one time: first (is kept), keep (both). Default: `first`."""
    precision: str
    """Unit of automatic timestamps: seconds, milliseconds. Default: `seconds`."""
    ack: str
    """Which answers are asked for: auto, none, accepted, stored (http). Default: `auto`."""
    window_bytes: int | str
    """Most unacknowledged bytes per connection, at least 64KiB. Default: `4MiB`."""
    settle: _Duration
    """How long acknowledged points are kept for re-sending; 0: not kept. Default: `2s`."""
    settle_bytes: int | str
    """Most bytes of acknowledged points that are kept, at least 64KiB. Default: `32MiB`."""
    spool: PathLike[str] | str
    """Folder for points that memory cannot hold, or must not lose: see spool_mode."""
    spool_mode: str
    """What goes to the spool: overflow (what waits beyond half a queue), always (all that is not done with after 50ms). Default: `overflow`."""
    spool_bytes: int | str
    """Most bytes in the spool, at least 2MiB. Default: `1GiB`."""
    spool_sync: _Duration
    """Longest time before points in the spool are synced to the disk. Default: `1s`."""
    spool_free: int | str
    """Bytes that the spool leaves free on its file system; if not given 5%, at least 256MiB."""
    spool_name: str
    """Name of this store's folder in the spool; if not given, made of the endpoints."""
    max_age: _Duration
    """Drop points older than this instead of writing them; 0: never."""
    connect_timeout: _Duration
    """Longest time for a connection to be made, at least 1ms. Default: `3s`."""
    write_timeout: _Duration
    """Longest time without progress while writing, at least 1ms; then the connection is closed. Default: `10s`."""
    answer_timeout: _Duration
    """Longest time without progress while an answer is due, at least 1ms; then the connection is closed. Default: `10s`."""
    backoff: str
    """Least and greatest wait between two attempts to connect, at least 1ms: 100ms..30s. Default: `100ms..30s`."""
    connections: int | str
    """Most connections per endpoint, 1 to 64; if not given 1, or 8 with ack=stored."""
    connection_max_age: _Duration
    """Replace connections older than this; 0: no limit."""
    gzip: bool | str
    """Compress the bodies of http: true, false. Default: `true`."""
    auth: str
    """The login: basic:user:password, bearer:token, line:text (telnet), or any of them with @/path."""
    headers: Mapping[str, str] | str
    """Additional headers of each request, one per line: Name: value."""
    ca: PathLike[str] | str
    """A PEM file of the authorities to be trusted, instead of the system's."""
    cert: PathLike[str] | str
    """A PEM file of the client's certificate and its chain."""
    key: PathLike[str] | str
    """A PEM file of the client certificate's key."""
    linger: _Duration
    """How long the worker gathers points between two writes; if not given 10ms to 80ms, and 250ms over http."""
    by_metric: int | str
    """Count points and bytes for up to this many metrics; 0: off. Default: `0`."""
    self_metrics: _Duration
    """Send the statistics as points under potsdb. this often, in whole seconds: 60s; 0: not at all."""
    close_grace: _Duration
    """Longest time to deliver what is queued when the client is dropped or the program ends; 0: none. Default: `5s`."""


class Keywords(Options, total=False):
    """All options: `from_url` and `from_env` have no other arguments. Text means what it means in a URL's query."""

    host_tag: object
    """The tag host of points without one: true (this machine's name), false (none), or its value. Default: `true`."""
    mps: float | str
    """Most points written per second; 0: no limit. Default: `0`."""
    check_host: bool | str
    """Connect once while building, and fail if that fails: true, false. Default: `false`."""
    test_mode: bool | str
    """Do everything but talk to the network: true, false. Default: `false`."""
