"""What becomes of characters that OpenTSDB does not allow in names: refused, replaced, or escaped.

The same as in `Instruments(names=...)`: the crate `potsdb-instruments` has the rules, and the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .exceptions import ConfigError

_ILLEGAL = re.compile(r"[^A-Za-z0-9._/-]")
_ESCAPED = re.compile(rb"[^A-Za-z0-9./-]")


def naming(mode: str) -> Callable[[str], str]:
    """The function that makes legal names, as the setting `names` has it."""
    modes: dict[str, Callable[[str], str]] = {"refuse": str, "replace": replace, "escape": escape}
    if mode not in modes:
        raise ConfigError(f'names: "{mode}" is unknown: refuse, replace or escape is allowed')
    return modes[mode]


def replace(name: str) -> str:
    """Each illegal character becomes `_`: two names may become one."""
    return _ILLEGAL.sub("_", name) or "_"


def escape(name: str) -> str:
    """`_` becomes `__`, `:` becomes `_.`, every other illegal byte `_XX`: no two names become one."""
    return _ESCAPED.sub(_escaped, name.encode()).decode() or "_"


def _escaped(found: re.Match[bytes]) -> bytes:
    byte = found[0]
    return {b"_": b"__", b":": b"_."}.get(byte) or b"_%02X" % ord(byte)
