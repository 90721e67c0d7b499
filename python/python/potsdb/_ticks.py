"""A thread that pushes at aligned ticks, and everything that must hold for such a thread.

- A tick is at a multiple of the interval of the clock, and its points have that time. Ticks that were missed are left out.
- The last push is made by `stop`, when the client is closed, and when the program ends, before the client drains.
- There is never more than one thread, and none that outlives its owner.
- After a fork the child has no thread. `on_fork` says whether it gets one.

The points of a series need times that increase: OpenTSDB keeps one value per series and second, and the client sends the
first. So a push within the second of the one before has the next second, as in `Instruments`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable

from . import _exit, _records
from ._potsdb import Client
from .exceptions import Closed, ConfigError

AHEAD = 5
"""Seconds that the times of pushes may be ahead of the clock. The last push may be further ahead."""

_SET_BACK = 120
"""A push so many seconds ahead of the clock, which no push gets to, means that the clock was set back."""

_PATIENCE = 5.0
"""Seconds that `stop` and the program's end wait for a push that goes on in another thread."""


class Clock:
    """The times of pushes, in whole seconds, each later than the one before.

    No other process gets this one's number of `worker_tag` before they are over: its zeros would overwrite the last totals.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.last = 0

    def reach(self, at: int) -> None:
        """Says that points have a time as late as that."""
        if at > self.last:
            self._set(at)

    def _set(self, at: int) -> None:
        self.last = at
        self._client._keep_number_until(at)

    def stamp(self, at: int, final: bool = False) -> int | None:
        """The time of a push that is due at `at`; None when it would be too far ahead."""
        if at <= self.last < at + _SET_BACK:
            at = self.last + 1
            if not final and at > time.time() + AHEAD:
                return None
        self._set(at)
        return at


class Ticks:
    """Calls `push(at, final)`: at each tick, and once more at the end. Calls of two threads never overlap."""

    def __init__(self, client: Client, push: Callable[[int, bool], int], on_fork: Callable[[], bool]) -> None:
        self._client, self._push, self._on_fork = client, push, on_fork
        self._interval = 0.0
        self._forget()
        _all.add(self)

    def _forget(self) -> None:
        """Nobody holds the locks and no thread runs: the state at the beginning, and in a forked child."""
        # Both may be taken again: by a signal handler that closes the client, or by a collector that stops its bridge.
        self._pushing = threading.RLock()
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self, interval: float) -> None:
        """Begins to tick; with another interval, if it ticks already."""
        if not interval >= 1:
            raise ConfigError(f"interval: {interval} is less than a second: a series has one value per second")
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                if interval == self._interval:
                    return
                self._end_thread()
            self._interval = interval
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="potsdb-bridge", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread and pushes once more; a second call does nothing."""
        with self._starting:
            if self._thread is None:
                return
            self._end_thread()
        self._guarded(int(time.time()), True)

    def now(self, push: Callable[[int, bool], int] | None = None) -> int:
        """Pushes now, in the ticks' way or in another, and returns how many points were queued."""
        with self._pushing:
            return (push or self._push)(int(time.time()), False)

    def _end_thread(self) -> None:
        self._stopped.set()
        # A collector may call `stop`, on the thread itself.
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)
        self._thread = None

    def _run(self, stopped: threading.Event) -> None:
        while True:
            now = time.time()
            tick = (now // self._interval + 1) * self._interval
            if stopped.wait(tick - now) or not self._guarded(int(tick), False, stopped):
                return

    def _guarded(self, at: int, final: bool, stopped: threading.Event | None = None) -> bool:
        """Pushes, and raises nothing; False when there is no use in another push."""
        if not self._pushing.acquire(timeout=_PATIENCE):
            _records.report(30, f"no push at {at}: the one before goes on")
            return True
        try:
            # What began while this waited for its turn has made the last push.
            if stopped is None or not stopped.is_set():
                self._push(at, final)
        except Closed:
            return False
        except Exception as error:
            _records.report(30, f"push at {at} failed: {type(error).__name__}: {error}")
        finally:
            self._pushing.release()
        return True

    def _ends(self, client: Client | None) -> None:
        if client is None or client is self._client:
            self.stop()

    def _forked(self) -> None:
        ticked = self._thread is not None and not self._stopped.is_set()
        self._forget()
        if ticked and self._on_fork():
            self.start(self._interval)


_all: weakref.WeakSet[Ticks] = weakref.WeakSet()


def _end(client: Client | None) -> None:
    for ticks in list(_all):
        ticks._ends(client)


def _forked() -> None:
    for ticks in list(_all):
        ticks._forked()


_exit.before_end(_end)
os.register_at_fork(after_in_child=_forked)
