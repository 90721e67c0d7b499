"""Records for the `potsdb` logger.

Called by the extension module on the thread that sends or waits, never by the worker. What the
worker reports comes at most once per kind and 10 s (the crate sees to it); refused points come at
most once per metric and minute, as told here.

Nothing here imports `logging`, which with what it needs costs more than the rest of the package. Where it is not loaded
nobody has asked it for anything, and what it does unasked is little enough to be done here: see `say`.
"""

from __future__ import annotations

import atexit
import os
import sys
import time

TYPE_CHECKING = False  # typing's, to checkers; to import it would cost more than this package
if TYPE_CHECKING:
    import logging

_QUIET = 60.0
"""Seconds between two records of one metric."""

_METRICS = 1000
"""Metrics remembered at most: names may be made up without end, memory may not."""

_WARNING = 30
"""`logging.WARNING`: what is below is not shown unasked."""

_last: dict[str, float] = {}

_logger: logging.Logger | None = None


def install() -> None:
    """A forked child starts with nothing said. To be called before `exit.install`: see `meet`."""
    os.register_at_fork(after_in_child=_last.clear)
    if not _find():
        atexit.register(_end)


def meet() -> None:
    """Finds the logger if `logging` is loaded by now; cheap when nothing is to do.

    At exit, who registered last goes first. A program that imports `logging` after this package would have its handlers
    closed before the last records, which `exit.drain` delivers. So `logging` is ended from here, after that.
    """
    if _logger is None and _find():
        atexit.unregister(sys.modules["logging"].shutdown)


def report(level: int, message: str) -> None:
    """Logs what the worker reported."""
    _log(level, "%s", message)


def invalid(metric: str, message: str) -> None:
    """Logs that a point was refused."""
    now = time.monotonic()
    last = _last.get(metric)
    if last is not None and now - last < _QUIET:
        return
    if len(_last) >= _METRICS:
        _last.clear()
    _last[metric] = now
    _log(_WARNING, "point of %.80r not sent: %s", metric, message)


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
        # stacklevel: the record is of the function that was called, not of this one.
        _logger.log(level, text, *arguments, stacklevel=2)
    elif level >= _WARNING:
        say(text % arguments)


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
