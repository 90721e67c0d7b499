"""A queue and a thread to look at, as clients of potsdb 1.0.3 had them.

Programs ask `client.q.qsize()` and `client.t.is_alive()`. There is no such queue and no such
thread any more; these answer from the client's statistics.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's, to checkers; to import it would cost more than this package
if TYPE_CHECKING:
    from typing import Protocol

    from ._potsdb import Stats

    class _Client(Protocol):
        """What is asked of a client here."""

        @property
        def _queue_points(self) -> int: ...
        @property
        def _is_running(self) -> bool: ...
        def stats(self) -> Stats: ...
        def _wait_closed(self, timeout: float | None) -> bool: ...


class Queue:
    """`client.q`: the points without a verdict."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    @property
    def maxsize(self) -> int:
        """Most points that wait; 0: no limit."""
        return self._client._queue_points

    def qsize(self) -> int:
        """Points pending: queued, or written and not answered for."""
        return self._client.stats().pending

    def empty(self) -> bool:
        """Whether nothing is pending."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether the next point pushes out the oldest."""
        return 0 < self.maxsize <= self._client.stats().queued


class Thread:
    """`client.t`: the worker."""

    daemon = True
    name = "potsdb"

    def __init__(self, client: _Client) -> None:
        self._client = client

    def is_alive(self) -> bool:
        """Whether the client is open, or still drains after `close`."""
        return self._client._is_running

    def join(self, timeout: float | None = None) -> None:
        """Waits for the worker's end, which only `close` and `stop` bring about."""
        self._client._wait_closed(timeout)
