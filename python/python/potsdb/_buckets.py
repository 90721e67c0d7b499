"""Distributions that others counted in buckets, and the percentiles that can be estimated of them.

A percentile lies in the bucket that holds the value of its rank, and is taken in proportion between the bounds of that. It is
as exact as the bucket is narrow, and never outside the least and the greatest value, where these are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Span = tuple[float, float, int]
"""A bucket: its bounds, and how many values lie between them."""


class Explicit:
    """Buckets by their upper bounds, of which the last is infinite."""

    def __init__(self, bounds: Sequence[float], counts: Sequence[int]) -> None:
        self.bounds, self.counts = tuple(bounds), tuple(counts)

    def combined(self, other: Explicit, sign: int) -> Explicit | None:
        """Both together, or with -1 what this has more; None if that cannot be told."""
        if self.bounds != other.bounds:
            return None
        counts = [mine + sign * its for mine, its in zip(self.counts, other.counts)]
        return Explicit(self.bounds, counts) if min(counts, default=0) >= 0 else None

    def spans(self) -> list[Span]:
        spans: list[Span] = []
        low = min(0.0, self.bounds[0]) if self.bounds else 0.0
        for high, count in zip(self.bounds, self.counts):
            # What lies above the last bound is taken to lie on it, unless the greatest value is known.
            spans.append((low, low if math.isinf(high) else high, count))
            low = high
        return spans


class Exponential:
    """Buckets whose bounds are powers of 2^(2^-scale)."""

    def __init__(self, scale: int, zeros: int, positive: Mapping[int, int], negative: Mapping[int, int]) -> None:
        self.scale, self.zeros, self.positive, self.negative = scale, zeros, positive, negative

    def combined(self, other: Exponential, sign: int) -> Exponential | None:
        """Both together, or with -1 what this has more, on the coarser scale; None if that cannot be told."""
        scale = min(self.scale, other.scale)
        positive = _combined(self.positive, self.scale - scale, other.positive, other.scale - scale, sign)
        negative = _combined(self.negative, self.scale - scale, other.negative, other.scale - scale, sign)
        zeros = self.zeros + sign * other.zeros
        if positive is None or negative is None or zeros < 0:
            return None
        return Exponential(scale, zeros, positive, negative)

    def spans(self) -> list[Span]:
        def bound(index: int) -> float:
            return float(2.0 ** min(index * 2.0**-self.scale, 1023.0))

        below = [(-bound(index + 1), -bound(index), count) for index, count in sorted(self.negative.items(), reverse=True)]
        above = [(bound(index), bound(index + 1), count) for index, count in sorted(self.positive.items())]
        return [*below, (0.0, 0.0, self.zeros), *above]


def _combined(
    mine: Mapping[int, int], my_shift: int, others: Mapping[int, int], their_shift: int, sign: int
) -> dict[int, int] | None:
    counts: dict[int, int] = {}
    for index, count in mine.items():
        counts[index >> my_shift] = counts.get(index >> my_shift, 0) + count
    for index, count in others.items():
        counts[index >> their_shift] = counts.get(index >> their_shift, 0) + sign * count
    return counts if min(counts.values(), default=0) >= 0 else None


def percentiles(
    spans: Sequence[Span], quantiles: Iterable[float], least: float | None = None, greatest: float | None = None
) -> list[tuple[float, float]]:
    """Each quantile with the value estimated for it; nothing of an empty distribution."""
    total = sum(count for _, _, count in spans)
    if not total:
        return []
    found = []
    for quantile in quantiles:
        left = quantile * total
        value = 0.0
        for low, high, count in spans:
            if count and left <= count:
                value = low + (high - low) * (left / count)
                break
            left -= count
        if least is not None:
            value = max(value, least)
        if greatest is not None:
            value = min(value, greatest)
        found.append((quantile, value))
    return found


def label(quantile: float) -> str:
    """A quantile as a percentile: `p50`, `p99`, `p999`."""
    _, point, digits = _decimal(quantile).partition(".")
    return f"p{digits:0<2}" if point and quantile < 1 else f"p{_decimal(quantile * 100)}"


def bound(value: float) -> str:
    """A bound as a tag value: without a needless point, and `inf` instead of `+Inf`, whose `+` OpenTSDB refuses."""
    return "inf" if value == math.inf else _decimal(value)


def _decimal(value: float) -> str:
    return repr(float(value)).removesuffix(".0").replace("e+", "e")
