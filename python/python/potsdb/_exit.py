"""The program's end: what is queued is delivered first, within each client's `close_grace`. Ctrl-C ends that.

`atexit` covers programs, and children of `os.fork` that end in `sys.exit`. Children of
`multiprocessing` (and of its twin `billiard`, which Celery uses) end in `os._exit` and run only
their own finalizers. Those are wiped when a child starts, so ours must be registered in the child,
after that: `register_after_fork` is the hook that runs there, in spawned children too. The children of Celery's pool
run not even those; it has a signal of its own for their end.
"""

from __future__ import annotations

import atexit
import os
import sys

from ._potsdb import drain_all
from ._records import closed, meet, report, say

TYPE_CHECKING = False  # typing's, to checkers; to import it would cost more than this package
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._potsdb import Client

_WARNING = 30
"""`logging.WARNING`."""

_PRIORITY = -100
"""Among the finalizers: after those that may still send, which are positive by custom."""

_hooked: set[str] = set()
"""Modules that call us in the children they start."""

_covered: dict[str, int] = {}
"""By module: the process in which a finalizer is registered."""

_senders: list[Callable[[Client | None], None]] = []
"""What sends its last points when a client closes, or when the program ends."""


def before_end(send: Callable[[Client | None], None]) -> None:
    """Calls `send` before a client closes, with that client, and before the program's end drains all, with None."""
    _senders.append(send)


def last_points(client: Client | None = None) -> None:
    """Lets those send that have something left to send."""
    for send in _senders:
        try:
            send(client)
        except Exception as error:  # what is queued is delivered all the same
            report(_WARNING, f"last points not sent: {type(error).__name__}: {error}")


def install() -> None:
    """Registers the hooks of this process; called when the package is imported."""
    atexit.register(drain)
    os.register_at_fork(before=cover)
    cover()


def cover() -> None:
    """Hooks into whichever of the modules is loaded by now; cheap when nothing is to do."""
    meet()
    for name in ("multiprocessing", "billiard"):
        process: Any = sys.modules.get(f"{name}.process")
        if not hasattr(process, "current_process"):  # absent, or being imported
            continue
        # billiard itself imports this only in the child, too late for us.
        from importlib import import_module

        util = import_module(f"{name}.util")
        if name not in _hooked:
            _hooked.add(name)
            util.register_after_fork(drain, _Register(name, util))
        child = getattr(process.current_process(), "_parent_pid", None) is not None
        if child and _covered.get(name) != os.getpid():
            _Register(name, util)()
    ends: Any = getattr(sys.modules.get("celery.signals"), "worker_process_shutdown", None)
    if ends is not None:
        # Connected anew, it comes last: after those of the program's own that still send.
        ends.disconnect(dispatch_uid=__name__)
        ends.connect(_pool_process_ends, weak=False, dispatch_uid=__name__)


def drain() -> None:
    """Delivers what is queued; says one line if something was not delivered or is in the spool, nothing if all was delivered."""
    try:
        last_points()
    except KeyboardInterrupt:  # it ends this wait, and the next one ends the other
        pass
    line = drain_all()
    closed(final=True)
    if line is not None:
        say(line)


def _pool_process_ends(**_: object) -> None:
    drain()


class _Register:
    """Registers the finalizer of the process it is called in."""

    def __init__(self, name: str, util: Any) -> None:
        self._name, self._util = name, util

    def __call__(self, _: object = None) -> None:
        self._util.Finalize(None, drain, exitpriority=_PRIORITY)
        _covered[self._name] = os.getpid()
