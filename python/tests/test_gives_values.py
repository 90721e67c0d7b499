"""What a client tells is a value: equal, hashed, copied, pickled, printed; and every name of it says what it means."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
from pathlib import Path

import pytest

import potsdb

TOLD = {"accepted": 10, "acknowledged": 7, "delivered": 7, "dropped": 2, "dropped_expired": 2, "pending": 1, "queued": 1,
        "invalid": 3, "repeated": 49, "full": 4, "rejections": {"unknown metric": 2}, "last_rejections": ["put: no"],
        "oldest_pending": 1.5, "rate": 0.5, "by_metric": [{"metric": "m", "points": 7, "bytes": 300}],
        "spool": {"bytes": 9, "segments": 1, "slots": 1, "unsynced": 2, "oldest": 1.5, "full_in": 2.5, "syncs": 3, "stalled": True, "off": "why"},
        "endpoints": [{"name": "tsdb://h:4242", "state": "connected", "server": "OpenTSDB", "limit": 2.5, "window_bytes": 9,
                       "clock_skew": -7}]}

STATS = potsdb.Stats(TOLD)
STATE = STATS.endpoints[0]
SPOOL = STATS.spool
FRAME = potsdb.SentFrame(5, 1, 1, 7, [(3, "value", "is illegal")])


@pytest.mark.parametrize("value", [STATS, STATE, SPOOL, FRAME], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_equal_and_something_else_is_not(value, again):
    other = again(value)
    assert other == value and hash(other) == hash(value) and len({value, other}) == 1
    assert repr(other) == repr(value) and type(other) is type(value)
    assert value != object() and value is not None and value != 1


def test_each_field_counts(client):
    fields = STATS.as_dict()
    assert set(fields) == {name for name in dir(potsdb.Stats) if not name.startswith("_")} - {"as_dict"}
    for name, was in fields.items():
        changed = {str: "x", int: 77, float: 77.5, dict: {"x": 77}, list: [], type(None): 77.5}[type(was)]
        assert potsdb.Stats({**fields, name: changed}) != STATS, name
    for name, was in STATE.as_dict().items():
        assert potsdb.EndpointState({**STATE.as_dict(), name: 77 if isinstance(was, int | float) else "x"}) != STATE, name
    for name, was in SPOOL.as_dict().items():
        changed = {str: "x", int: 77, float: 77.5, bool: False}[type(was)]
        assert potsdb.SpoolState({**SPOOL.as_dict(), name: changed}) != SPOOL, name
    assert potsdb.SentFrame(5, 1, 1, 7) != FRAME != potsdb.SentFrame(5, 1, 1, 8, FRAME.bad)


def test_the_statistics_of_a_client_go_to_another_process_and_into_json(client):
    client.send("m", 1, a=1)
    client.send("m", 1, a="b c")
    assert client.flush(10)
    stats = client.stats()
    for again in [pickle.loads(pickle.dumps(stats)), potsdb.Stats(json.loads(json.dumps(stats.as_dict())))]:
        assert again == stats and again.endpoints == stats.endpoints and str(again) == str(stats)
    assert pickle.dumps(stats).count(b"_potsdb") == 0, "where it is made is nobody's business"


def test_what_is_printed_names_everything_that_was_not_accepted():
    assert str(STATS) == "10 accepted: 7 acknowledged, 2 dropped, 1 pending; 3 invalid, 49 repeated, 4 full not sent"
    assert repr(STATS) == f"<potsdb.Stats {STATS}>"
    assert repr(STATE) == "<potsdb.EndpointState tsdb://h:4242: connected>"
    assert repr(SPOOL) == "<potsdb.SpoolState 9 bytes in 1 segments, off: why>"
    assert repr(FRAME) == "<potsdb.SentFrame 5 queued, 1 skipped, 1 invalid, of 7 rows>"
    assert [kind.__module__ for kind in (potsdb.Stats, potsdb.EndpointState, potsdb.SpoolState, potsdb.SentFrame, potsdb.Series)] == ["potsdb"] * 5


def test_every_property_says_what_it_means_and_the_stub_says_the_same():
    stub = ast.parse((Path(potsdb.__file__).parent / "_potsdb.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    for kind in (potsdb.Stats, potsdb.EndpointState, potsdb.SpoolState, potsdb.SentFrame):
        written = {node.name: ast.get_docstring(node) for node in classes[kind.__name__].body if isinstance(node, ast.FunctionDef)}
        for name, member in inspect.getmembers(kind):
            if not name.startswith("_"):
                assert member.__doc__ and inspect.getdoc(member) == written[name], f"{kind.__name__}.{name}"
        assert inspect.getdoc(kind) == ast.get_docstring(classes[kind.__name__])


def test_what_is_no_statistics_is_refused():
    for wrong in [{"accepted": "x"}, {"accepted": -1}, {"endpoints": 5}, {"spool": 5}, {"spool": {"bytes": "x"}}, {"rejections": [1]}]:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            potsdb.Stats(wrong)
    with pytest.raises(TypeError):
        potsdb.Stats(5)
    assert potsdb.Stats({}) == potsdb.Stats({"accepted": 0})
