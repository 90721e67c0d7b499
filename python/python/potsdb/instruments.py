"""Counters, gauges, histograms and timers, which are added up in the process and sent at aligned ticks.

    metrics = potsdb.Client("localhost")
    requests = metrics.counter("web.requests", path="/login")
    requests.add()

`Instruments(client, interval=60, ...)` makes a set of them with settings of its own; `Client.counter` and its like
are those of the client, with the defaults.
"""

from __future__ import annotations

from ._potsdb import Counter, Gauge, Histogram, Instruments, Running, Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Counter", "Gauge", "Histogram", "Instruments", "Running", "Timer"]


def _measured(timer: Timer, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function like `function` whose calls `timer` measures: of a coroutine, until it has its result."""
    # Programs that decorate have loaded them; others do not pay for them.
    from functools import wraps
    from inspect import iscoroutinefunction

    if not callable(function):
        raise TypeError(f"a timer decorates functions, not {type(function).__name__}")

    @wraps(function)
    async def coroutine(*arguments: Any, **keywords: Any) -> Any:
        with timer.time():
            return await function(*arguments, **keywords)

    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        with timer.time():
            return function(*arguments, **keywords)

    return coroutine if iscoroutinefunction(function) else call
