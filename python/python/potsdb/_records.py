"""Records for the `potsdb` logger.

Called by the extension module on the thread that sends or waits, never by the worker. What the
worker reports comes at most once per kind and 10 s (the crate sees to it); refused points come at
most once per metric and minute, as told here. Those in between are counted: the metric's next record says how
many there were, and what was never followed by one is said when a client is closed, and at exit.

Nothing here imports `logging`, which with what it needs costs more than the rest of the package. Where it is not loaded
nobody has asked it for anything, and what it does unasked is little enough to be done here: see `say`.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import time

TYPE_CHECKING = False  # typing's, to checkers; to import it would cost more than this package
if TYPE_CHECKING:
    import logging

_QUIET = 60.0
"""Seconds between two records of one metric, and between two at closes."""

_METRICS = 1000
"""Metrics remembered at most: names may be made up without end, memory may not."""

_WARNING = 30
"""`logging.WARNING`: what is below is not shown unasked."""

_NAMED = 3
"""Metrics named at a close: those with the most points."""


class _Refused:
    """A metric's points that were refused."""

    __slots__ = ("at", "message", "untold")

    def __init__(self, at: float) -> None:
        self.at = at
        """When the last record was written."""
        self.untold = 0
        """Points since then."""
        self.message = ""
        """Why the last of them was refused."""


_last: dict[str, _Refused] = {}

_forgotten = 0
"""Untold points of metrics that are no longer remembered."""

_closed_at = float("-inf")
"""When a close last said what was untold."""

_lock = _thread.RLock()
"""Held for counting alone, never for a record. Taken again by a signal handler that sends."""

_logger: logging.Logger | None = None


def install() -> None:
    """A forked child starts with nothing said. To be called before `_exit.install`: see `meet`."""
    os.register_at_fork(after_in_child=_forget)
    if not _find():
        atexit.register(_end)


def meet() -> None:
    """Finds the logger if `logging` is loaded by now; cheap when nothing is to do.

    At exit, who registered last goes first. A program that imports `logging` after this package would have its handlers
    closed before the last records, which `_exit.drain` delivers. So `logging` is ended from here, after that.
    """
    if _logger is None and _find():
        atexit.unregister(sys.modules["logging"].shutdown)


def report(level: int, message: str) -> None:
    """Logs what the worker reported."""
    _log(level, "%s", message)


def invalid(metric: str, message: str) -> None:
    """Logs that a point was refused."""
    global _forgotten
    now = time.monotonic()
    with _lock:
        last = _last.get(metric)
        if last is not None and now - last.at < _QUIET:
            last.untold += 1
            last.message = message
            return
        if len(_last) >= _METRICS:
            _forgotten += sum(refused.untold for refused in _last.values())
            _last.clear()
        _last[metric] = _Refused(now)
    if last is None or not last.untold:
        _log(_WARNING, "point of %.80r not sent: %s", metric, message)
    else:
        text = "point of %.80r not sent: %s; %d more since the last such record, of them the last: %s"
        _log(_WARNING, text, metric, message, last.untold, last.message)


def closed(final: bool = False) -> None:
    """Logs how many points were refused without a record, at most once a minute unless it is the end."""
    global _forgotten, _closed_at
    now = time.monotonic()
    with _lock:
        if not final and now - _closed_at < _QUIET:
            return
        untold = [(refused.untold, metric, refused.message) for metric, refused in _last.items() if refused.untold]
        points = sum(count for count, _, _ in untold) + _forgotten
        if not points:
            return
        for refused in _last.values():
            refused.untold = 0
        _forgotten, _closed_at = 0, now
    untold.sort(key=lambda one: one[0], reverse=True)
    named = untold[:_NAMED]
    parts = [f"{count} of {metric[:80]!r}, the last: {message}" for count, metric, message in named]
    others = points - sum(count for count, _, _ in named)
    if others:
        parts.append(f"{others} of other metrics")
    _log(_WARNING, "%d more point%s not sent: %s", points, "" if points == 1 else "s", "; ".join(parts))


def _forget() -> None:
    """What was said, and was not, is the parent's; and a thread that a child does not have may hold its lock."""
    global _forgotten, _closed_at, _lock
    _lock = _thread.RLock()
    _last.clear()
    _forgotten, _closed_at = 0, float("-inf")


def say(line: str) -> None:
    """Writes a line to standard error, as `logging` does with a record that nobody handles."""
    if sys.stderr is None:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # standard error is closed: nobody is there to be told
        pass


def _log(level: int, text: str, *arguments: object) -> None:
    meet()
    if _logger is not None:
        _logger.log(level, text, *arguments, stacklevel=_levels())
    elif level >= _WARNING:
        say(text % arguments)


def _levels() -> int:
    """How far up the stack the program's own line is, for `stacklevel`: the first that is none of this package's."""
    levels, frame = 1, sys._getframe(1).f_back
    while frame is not None:
        levels += 1
        if str(frame.f_globals.get("__name__")).partition(".")[0] != "potsdb":
            break
        frame = frame.f_back
    return levels


def _find() -> bool:
    global _logger
    loaded = sys.modules.get("logging")
    # The last name it defines. Without it `logging` is being imported, on another thread or further up this one's stack:
    # nobody has asked it for anything yet, and to wait for it could be for ever.
    if loaded is None or not hasattr(loaded, "captureWarnings"):
        return False
    _logger = loaded.getLogger("potsdb")
    return True


def _end() -> None:
    if _logger is not None:
        sys.modules["logging"].shutdown()
