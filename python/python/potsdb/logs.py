"""Counts records of `logging`, by level and by logger.

    logging.getLogger().addHandler(potsdb.logs.Handler(metrics))

It takes no lock, so it cannot hold up a program, nor a child that was forked amid a record. It raises nothing and writes nothing.
"""

from __future__ import annotations

import logging

from ._potsdb import Client, Counter, Instruments

__all__ = ["Handler"]

_OTHER = "other"


class Handler(logging.Handler):
    """Counts each record in `metric`, with the tags `level` and `logger`.

    At most `max_loggers` names of loggers are told apart, and as many of levels: the rest is counted as `other`. Records of potsdb
    itself are not counted, so that a record about sending is never a reason to send.
    """

    def __init__(
        self,
        client: Client,
        metric: str = "log.records",
        level: int | str = logging.NOTSET,
        *,
        max_loggers: int = 100,
        interval: float = 10.0,
    ) -> None:
        super().__init__(level)
        self._metric, self._most = metric, max_loggers
        self._instruments = Instruments(client, interval=interval, names="replace", max_series=0)
        self._counters: dict[tuple[str, str], Counter] = {}
        self._loggers: set[str] = set()
        self._levels: set[str] = set()

    def createLock(self) -> None:
        """Makes none: counting needs none, and what has no lock cannot hang."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Counts a record that passes the filters."""
        try:
            passed = self.filter(record)
            if passed:
                self.emit(passed if isinstance(passed, logging.LogRecord) else record)
            return bool(passed)
        except Exception:  # a program must not fail because it is counted
            return False

    def emit(self, record: logging.LogRecord) -> None:
        """Counts a record."""
        try:
            if record.name.partition(".")[0] == "potsdb":
                return
            counter = self._counters.get((record.name, record.levelname))
            (counter or self._counter(record.name, record.levelname)).add()
        except Exception:
            pass

    def _counter(self, name: str, level: str) -> Counter:
        # Two threads that come here at once may both be let in: the bound is that of memory, and one more is no harm.
        key = (self._admitted(self._loggers, name), self._admitted(self._levels, level))
        counter = self._counters.get(key)
        if counter is None:
            counter = self._instruments.counter(self._metric, level=key[1].lower(), logger=key[0])
            self._counters[key] = counter
        return counter

    def _admitted(self, known: set[str], name: str) -> str:
        if name in known:
            return name
        if len(known) >= self._most:
            return _OTHER
        known.add(name)
        return name
