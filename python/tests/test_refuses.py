"""What no server could store is refused, and reaches the program as the option `invalid` says."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest

import potsdb


def make(invalid: str, **options) -> potsdb.Client:
    return potsdb.Client("localhost", host_tag="h", check_host=False, test_mode=True, invalid=invalid, **options)


@pytest.fixture
def raising():
    client = make("raise")
    yield client
    client.stop()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(a="b c"), r"tag value of a: space \(0x20\) at offset 1"),
        (dict(a="x\ny"), r"tag value of a: .*0x0a.* at offset 1"),
        (dict(a=""), "tag value of a"),
        ({"a:b": "c"}, "tag name"),
        (dict(timestamp=5), "timestamp"),
        (dict(timestamp=-1500000000), "timestamp"),
        (dict(timestamp=10**400), "timestamp"),
        (dict(a="x" * 1100), "1024"),
    ],
)
def test_raise_names_the_thing_the_value_and_the_rule(raising, arguments, says):
    with pytest.raises(potsdb.InvalidPoint, match=says) as raised:
        raising.send("m", 1, **arguments)
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, AssertionError)
    assert isinstance(raised.value, potsdb.PotsdbError)
    assert (raising.stats().invalid, raising.stats().accepted) == (1, 0)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_raise_names_the_bounds_of_whole_numbers(raising, number):
    with pytest.raises(potsdb.InvalidPoint, match="9223372036854775807"):
        raising.send("m", number)


def test_replace_repairs_names_and_counts():
    client = make("replace")
    line = client.send("m", 1, **{"a b": "c d=é\n"}, e="", timestamp=1500000000)
    assert line is not None and line.startswith("put m 1500000000 1 a_b=c_d__") and " e=_ " in line
    assert line.isascii() and line.count("\n") == 1
    assert client.stats().replaced >= 5 and client.stats().accepted == 1
    # Nothing stands for a time or a number that is wrong.
    assert client.send("m", 1, timestamp=5) is None
    assert client.send("m", 2**70) is None
    assert client.stats().invalid == 2
    client.stop()


def test_drop_logs_one_record_per_metric_and_minute(caplog):
    client = potsdb.Client("127.0.0.1", 1, check_host=False)
    potsdb._records._last.clear()
    with caplog.at_level(logging.WARNING, "potsdb"):
        for _ in range(100):
            assert client.send("one", 1, a="b c") is None
            assert client.send("other", 1, timestamp=5) is None
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "'one'" in said[0] and "0x20" in said[0] and "printable ASCII" in said[0]
    assert "'other'" in said[1] and "timestamp" in said[1]
    assert client.stats().invalid == 200
    client.stop()


def test_what_was_not_said_is_counted_in_the_next_record(caplog, monkeypatch):
    client = potsdb.Client("127.0.0.1", 1, check_host=False)
    with caplog.at_level(logging.WARNING, "potsdb"):
        for wrong in [dict(a="b c"), dict(a="b c"), dict(a=""), dict(timestamp=5)]:
            client.send("one", 1, **wrong)
        monkeypatch.setattr(potsdb._records, "_QUIET", 0.0)
        client.send("one", 1, a="x y")
        client.send("one", 1, a="x y")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert "x y" in said[1] and "; 3 more since" in said[1] and said[1].endswith("are allowed") and "timestamp: 5" in said[1]
    assert "more since" not in said[2]
    client.stop()


def test_what_was_not_said_is_counted_at_a_close(caplog):
    with caplog.at_level(logging.WARNING, "potsdb"), potsdb.Client("127.0.0.1", 1, check_host=False, close_grace=0) as client:
        for n in range(50):
            client.send("often", 1, a="b c")
            client.send(f"other{n % 5}", 1, a="")
        caplog.clear()
    [said] = [record.getMessage() for record in caplog.records if "not sent" in record.getMessage()]
    assert said.startswith("94 more points not sent: 49 of 'often', the last: tag value of a: space (0x20)")
    assert said.count("9 of 'other") == 2 and said.endswith("; 27 of other metrics")
    shown = "0 accepted: 0 acknowledged; 100 invalid not sent"
    assert str(client.stats()) == shown and repr(client.stats()) == f"<potsdb.Stats {shown}>"


def test_many_short_clients_say_it_once_a_minute_and_the_exit_says_the_rest(caplog):
    with caplog.at_level(logging.WARNING, "potsdb"):
        for _ in range(20):
            with potsdb.Client("127.0.0.1", 1, check_host=False, close_grace=0) as client:
                client.send("m", 1, a="b c")
        potsdb._records.closed(final=True)
        potsdb._records.closed(final=True)
    said = [record.getMessage() for record in caplog.records]
    assert [line[:23] for line in said] == ["point of 'm' not sent: ", "1 more point not sent: ", "18 more points not sent"]


def test_a_program_that_just_ends_says_how_many_were_not_sent(run):
    out, err = run("""
        import potsdb
        client = potsdb.Client("127.0.0.1", 1, check_host=False)
        for t in (dict(a=""), dict(a="x y"), dict(a="k=v"), dict(a="ok", timestamp=999907200)):
            client.send("one.metric", 1, **t)
        print(client.stats())
    """)
    assert out == "0 accepted: 0 acknowledged; 4 invalid not sent\n"
    first, last = err.splitlines()
    assert first.startswith("point of 'one.metric' not sent: tag value of a: is empty")
    assert last.startswith("3 more points not sent: 3 of 'one.metric', the last: timestamp: 999907200")


def test_a_record_is_of_the_programs_own_line(caplog):
    class Mine(potsdb.Client):
        pass

    with caplog.at_level(logging.WARNING, "potsdb"):
        client = Mine("127.0.0.1", 1, check_host=False, close_grace=0)
        client.send("by.send", 1, a="b c")
        client.series("by.series", a="b c").send(1)
        for _ in range(3):
            client.send("by.close", 1, a="b c")
        client.close()
        potsdb._records._forget()
        with Mine("127.0.0.1", 1, check_host=False, close_grace=0) as client:
            for _ in range(3):
                client.send("by.with", 1, a="b c")
    said = [record for record in caplog.records if "not sent" in record.getMessage()]
    assert len(said) >= 5
    for record in said:
        assert record.pathname == __file__ and record.funcName == "test_a_record_is_of_the_programs_own_line", record


def test_made_up_metric_names_do_not_fill_the_memory_of_the_log():
    client = potsdb.Client("127.0.0.1", 1, check_host=False)
    logging.getLogger("potsdb").disabled = True
    try:
        for i in range(5000):
            client.send(f"metric.{i}", 1, a="b c")
    finally:
        logging.getLogger("potsdb").disabled = False
    assert len(potsdb._records._last) <= potsdb._records._METRICS
    client.stop()


def test_an_exception_of_the_callers_own_object_passes_through(offline):
    class Broken:
        def __str__(self) -> str:
            raise LookupError("mine")

        __float__ = __int__ = __str__

    for call in [dict(val=Broken()), dict(val=1, tag=Broken()), dict(val=1, timestamp=Broken())]:
        with pytest.raises(LookupError, match="mine"):
            offline.send("m", **call)


def test_a_series_of_illegal_names_counts_each_of_its_points():
    client = make("drop")
    series = client.series("m", a="b c")
    assert [series.send(1), series.send(2)] == [False, False]
    assert client.stats().accepted == 0 and client.stats().invalid >= 2
    client.stop()


@pytest.mark.parametrize("invalid", ["drop", "raise", "replace"])
def test_a_series_raises_what_send_raises(invalid):
    client = make(invalid)
    with pytest.raises(AssertionError, match="invalid metric name"):
        client.series("a b", a=1)
    with pytest.raises(TypeError):
        client.series(5, a=1)
    series = client.series("m", a=1)
    with pytest.raises(ValueError):
        series.send("x")
    with pytest.raises(TypeError):
        series.send(None)
    with pytest.raises(potsdb.InvalidPoint):
        series.send(float("nan"))
    client.close()
    with pytest.raises(potsdb.Closed):
        series.send(1)


def test_numbers_of_other_libraries_are_numbers(offline):
    class Index:
        def __index__(self) -> int:
            return 2**62 + 1

    class Float:
        def __float__(self) -> float:
            return 2.5

    assert offline.send("m", Index()).split()[3] == str(2**62 + 1)
    assert offline.send("m2", Float()).split()[3] == "2.5"


def test_clients_and_series_cannot_be_pickled_or_copied(offline):
    for thing in [offline, offline.series("m", a=1)]:
        for copier in [pickle.dumps, copy.copy, copy.deepcopy]:
            with pytest.raises(TypeError, match="cannot be pickled"):
                copier(thing)


def test_any_number_of_tags_passes_unless_max_tags_is_set(offline):
    many = {f"t{i}": i for i in range(40)}
    assert offline.send("m", 1, **many) is not None
    strict = make("raise", max_tags=8)
    with pytest.raises(potsdb.InvalidPoint):
        strict.send("m", 1, **many)
    strict.stop()
