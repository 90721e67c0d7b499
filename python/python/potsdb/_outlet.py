"""The series of a bridge: made once for each name and labels of its source, and kept while the source has them.

Two names of the source can become one of OpenTSDB's, as `a:b` and `a_b` do when illegal characters are replaced. Then the
first keeps the series, and the others are counted and told: to write both would leave whichever came last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping

from . import _records
from ._names import naming
from ._potsdb import Client
from .exceptions import InvalidPoint

Send = Callable[[float, int], bool]
"""Queues a value at a time in seconds; whether it was queued."""

_QUIET = 60.0
"""Seconds between two records of one kind."""

_KINDS = 1000
"""Kinds of records remembered at most."""

WHOLE = 2.0**63
"""Whole numbers from minus this on and below it are sent as integers."""


class Outlet:
    """Makes series through a client, with the prefix, the tags and the legal names that a bridge was told."""

    def __init__(self, client: Client, names: str, tags: Mapping[str, object]) -> None:
        self._client, self._legal = client, naming(names)
        self._tags = dict(tags)
        self._owners: dict[tuple[str, frozenset[tuple[str, str]]], Hashable] = {}
        self._told: dict[str, float] = {}
        self.merged = 0
        """Series of the source that fell together with another one."""
        self.refused = 0
        """Series of the source that no server could store."""

    def series(self, owner: Hashable, metric: str, tags: Mapping[str, str]) -> Send | None:
        """The series for what the source calls `owner`; None if there can be none, which is told."""
        metric = self._legal(metric)
        legal = {self._legal(name): self._legal(value) for name, value in tags.items()}
        key = (metric, frozenset(legal.items()))
        if self._owners.setdefault(key, owner) != owner:
            self.merged += 1
            self.tell(f"merged {metric}", f"metric {metric!r}: two series of the source have one name here: the first is sent")
            return None
        try:
            return self._client.series(metric, tags={**self._tags, **legal}).send
        except InvalidPoint as error:
            self.refused += 1
            self.tell(f"refused {metric}", f"metric {metric!r} is not sent: {error}")
            return None

    def forget(self, owners: Collection[Hashable]) -> None:
        """Lets others of the source have the series of these."""
        self._owners = {key: owner for key, owner in self._owners.items() if owner not in owners}

    def describe(self, metric: str, unit: str | None, text: str | None) -> None:
        """Keeps what the source says about a metric."""
        if unit or text:
            self._client.instruments.describe(self._legal(metric), unit or "", text or "")

    def tell(self, kind: str, message: str) -> None:
        """Logs a warning, of a kind at most once a minute."""
        now = time.monotonic()
        if now - self._told.get(kind, -_QUIET) < _QUIET:
            return
        if len(self._told) >= _KINDS:
            self._told.clear()
        self._told[kind] = now
        _records.report(30, message)


def number(value: float) -> float | None:
    """A value as it is sent: whole numbers as integers; None of what is no finite number."""
    if value.__class__ is int:
        return value
    if value - value != 0.0:
        return None
    whole = -WHOLE <= value < WHOLE and int(value) == value
    return int(value) if whole else value
