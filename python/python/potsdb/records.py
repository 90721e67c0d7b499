"""Records for the `potsdb` logger.

Called by the extension module on the thread that sends or waits, never by the worker. What the
worker reports comes at most once per kind and 10 s (the crate sees to it); refused points come at
most once per metric and minute, as told here.
"""

from __future__ import annotations

import logging
import os
import time

_logger = logging.getLogger("potsdb")

_QUIET = 60.0
"""Seconds between two records of one metric."""

_METRICS = 1000
"""Metrics remembered at most: names may be made up without end, memory may not."""

_last: dict[str, float] = {}


def install() -> None:
    """A forked child starts with nothing said."""
    os.register_at_fork(after_in_child=_last.clear)


def report(level: int, message: str) -> None:
    """Logs what the worker reported."""
    _logger.log(level, "%s", message)


def invalid(metric: str, message: str) -> None:
    """Logs that a point was refused."""
    now = time.monotonic()
    last = _last.get(metric)
    if last is not None and now - last < _QUIET:
        return
    if len(_last) >= _METRICS:
        _last.clear()
    _last[metric] = now
    _logger.warning("point of %.80r not sent: %s", metric, message)
