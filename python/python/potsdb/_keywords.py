"""The options as keywords, for annotations: `def open_metrics(**options: Unpack[potsdb.client.Options])`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from os import PathLike

    from typing_extensions import TypeAlias

    _Duration: TypeAlias = float | str | timedelta

__all__ = ["Keywords", "Options"]


class Options(TypedDict, total=False):
    """The keywords that a client takes beside those of potsdb 1.0.3.

    A duration is a number of seconds, text as `"250ms"`, or a `timedelta`.
    """

    server: str
    queue_points: int | str
    queue_bytes: int | str
    overflow: str
    tags: Mapping[str, object] | str
    prefix: str
    names: str
    max_tags: int | str
    invalid: str
    repeats: str
    precision: str
    ack: str
    window_bytes: int | str
    settle: _Duration
    settle_bytes: int | str
    max_age: _Duration
    connect_timeout: _Duration
    write_timeout: _Duration
    answer_timeout: _Duration
    backoff: str
    connections: int | str
    connection_max_age: _Duration
    gzip: bool | str
    auth: str
    headers: Mapping[str, str] | str
    ca: PathLike[str] | str
    cert: PathLike[str] | str
    key: PathLike[str] | str
    linger: _Duration
    close_grace: _Duration


class Keywords(Options, total=False):
    """All options: `from_url` and `from_env` have no other arguments. Text means what it means in a URL's query."""

    host_tag: object
    mps: float | str
    check_host: bool | str
    test_mode: bool | str
