"""potsdb 1.0.3 and ours, side by side: the same calls make the same bytes, the same results, the same errors.

Where ours must differ, test_differs.py says so.
"""

from __future__ import annotations

import builtins
import itertools
import string

import pytest
from conftest import Old
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import PATIENCE, Server

import potsdb

NAME = string.ascii_letters + string.digits + "-_./"
PRINTABLE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) != "=")

names = st.text(NAME, min_size=1, max_size=40)
tag_names = st.text(NAME, min_size=1, max_size=20).filter(lambda name: name not in ("timestamp", "name", "val", "self", "tags"))
texts = st.text(PRINTABLE, min_size=1, max_size=30)
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**63)
tag_values = st.one_of(texts, st.integers(), floats, st.booleans(), st.none()).map(repr)

exact = st.integers(-(2**53), 2**53)
values = st.one_of(
    exact.map(repr),
    floats.map(repr),
    st.booleans().map(repr),
    exact.map(lambda n: repr(str(n))),
    floats.map(lambda x: repr(f" {x!r} ")),
    exact.map(lambda n: f"decimal.Decimal({n}) / 100"),
    exact.map(lambda n: f"fractions.Fraction({n}, 7)"),
)
times = st.one_of(
    st.integers(10**9, 2**32 - 1).map(repr),
    st.integers(10**9, 2**32 - 1).map(lambda n: repr(str(n))),
    st.integers(10**9, 2**32 - 1).map(lambda n: repr(n + 0.5)),
    st.integers(10**12, (2**32 - 1) * 1000).map(repr),
)
calls = st.tuples(names, values, st.dictionaries(tag_names, tag_values, max_size=8), times)


@pytest.fixture(scope="module")
def both(old_python):
    """The old client and ours, each with a server of its own."""
    old_server, new_server = Server(), Server()
    old = Old(old_python, old_server.port)
    new = potsdb.Client("127.0.0.1", new_server.port, host_tag="h")
    yield old, old_server, new, new_server
    old.close()
    new.close(10)
    old_server.close()
    new_server.close()


def send(new: potsdb.Client, name: str, value: str, tags: list[tuple[str, str]]) -> str | None:
    import datetime
    import decimal
    import fractions

    scope = {"datetime": datetime, "decimal": decimal, "fractions": fractions}
    return new.send(eval(name, scope), eval(value, scope), **{key: eval(given, scope) for key, given in tags})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls, min_size=1, max_size=20))
def test_the_same_calls_make_the_same_bytes_on_the_wire(both, calls):
    old, old_server, new, new_server = both
    start = len(old_server.lines), len(new_server.lines)
    for name, value, tags, time in calls:
        # A series of its own for each call: repeats are test_keeps_the_surface.py's.
        name = repr(f"{name}.{next(numbers)}")
        pairs = [*tags.items(), ("timestamp", time)]
        was = old.ask(name=name, value=value, tags=pairs)["line"]
        now = send(new, name, value, pairs)
        assert was is not None and now is not None
        assert_same(was.encode(), now.encode())
    assert new.flush(PATIENCE)
    was = old_server.wait_for(start[0] + len(calls))[start[0] :]
    now = new_server.lines[start[1] :]
    for was_line, now_line in zip(was, now, strict=True):
        assert_same(was_line, now_line)


numbers = itertools.count()


def assert_same(was: bytes, now: bytes) -> None:
    """Equal bytes; where one side needs an exponent, equal numbers: not every server reads 1.5e-07."""
    if was != now:
        *was_rest, was_value = reorder(was)
        *now_rest, now_value = reorder(now)
        assert was_rest == now_rest
        assert b"e" in was_value and b"." in now_value and float(was_value) == float(now_value)


def reorder(line: bytes) -> list[bytes]:
    put, name, time, value, *tags = line.split(b" ")
    return [put, name, time, *tags, value]


@pytest.mark.parametrize(
    ("name", "value", "tags"),
    [
        ("'m'", "'x'", {"a": "1"}),
        ("'m'", "None", {"a": "1"}),
        ("'m'", "1j", {"a": "1"}),
        ("'m'", "[]", {"a": "1"}),
        ("'m'", "float('nan')", {"a": "1"}),
        ("'m'", "'nan'", {"a": "1"}),
        ("'m'", "decimal.Decimal('NaN')", {"a": "1"}),
        ("'m'", "decimal.Decimal('sNaN')", {"a": "1"}),
        ("'m'", "float('inf')", {"a": "1"}),
        ("'m'", "'-inf'", {"a": "1"}),
        ("'m'", "10**400", {"a": "1"}),
        ("'m'", "1", {"a": "1", "timestamp": "'x'"}),
        ("'m'", "1", {"a": "1", "timestamp": "None"}),
        ("'m'", "1", {"a": "1", "timestamp": "float('nan')"}),
        ("'m'", "1", {"a": "1", "timestamp": "float('inf')"}),
        ("'m'", "1", {"a": "1", "timestamp": "datetime.datetime(2020, 1, 1)"}),
        ("'a b'", "1", {"a": "1"}),
        ("'é'", "1", {"a": "1"}),
        ("'m\\n'", "1", {"a": "1"}),
        ("'m\\0'", "1", {"a": "1"}),
        ("'\\ud800'", "1", {"a": "1"}),
        ("'a b'", "1", {"a": "1", "timestamp": "5"}),
        ("'a b'", "2**70", {"a": "b c"}),
        ("5", "1", {"a": "1"}),
        ("b'm'", "1", {"a": "1"}),
        ("None", "1", {"a": "1"}),
    ],
)
@pytest.mark.parametrize("invalid", ["drop", "raise", "replace"])
def test_what_the_old_one_raised_ours_raises(both, name, value, tags, invalid):
    old = both[0]
    was = old.ask(name=name, value=value, tags=list(tags.items()))
    new = potsdb.Client("localhost", check_host=False, test_mode=True, invalid=invalid)
    with pytest.raises(Exception) as raised:
        send(new, name, value, list(tags.items()))
    assert isinstance(raised.value, getattr(builtins, was["raised"][0])), (was, raised.value)
    new.stop()


@pytest.mark.parametrize("value", ["'12'", "True", "100.0", "' 7 '", "'1_0'", "-0.0", "0.1 + 0.2", "1e15", "b'12'", "'１２'", "0.0001", "123456789.125"])
def test_values_that_float_takes_are_printed_alike(both, value):
    old, _, new, _ = both
    pairs = [("k", repr(value.encode().hex())), ("timestamp", "1500000000")]
    assert old.ask(name="'value'", value=value, tags=pairs)["line"] == send(new, "'value'", value, pairs)


def test_the_message_for_a_metric_name_keeps_its_words(both):
    old, _, new, _ = both
    assert "invalid metric name" in old.ask(name="'a b'", value="1", tags=[])["message"]
    with pytest.raises(AssertionError, match="invalid metric name"):
        new.send("a b", 1)
