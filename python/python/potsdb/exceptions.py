"""What potsdb raises.

Each class has the bases that programs written for potsdb 1.0.3 catch, under `python -O` as well:
what used to be an `AssertionError` still is one.
"""

from __future__ import annotations


class PotsdbError(Exception):
    """Every exception of this package."""


class InvalidPoint(PotsdbError, ValueError, AssertionError):
    """No server could store this point: the message names the thing, the value and the rule."""


class InvalidOverflow(InvalidPoint, OverflowError):
    """An infinite value."""


class Closed(PotsdbError, AssertionError):
    """A send after `close`."""


class QueueFull(PotsdbError):
    """No room in the queue before the deadline of `overflow="block:..."`."""


class ConfigError(PotsdbError, ValueError):
    """A client that cannot be made of this URL or these options."""
