"""Tables of pandas, Polars and PyArrow: every cell of a value column is a point, whichever hands it over."""

from __future__ import annotations

import logging
import signal
import threading
import time

import pytest

import potsdb

pyarrow = pytest.importorskip("pyarrow")

TIME = 1_600_000_000


def lines(server) -> list[str]:
    return [line.rstrip("\n") for line in server.text]


EXPECTED = [
    "put web.latency 1600000000 0.5 path=/login dc=eu",
    "put web.latency 1600000001 1.5 path=/home dc=us",
    "put web.latency 1600000003 3.5 path=/login dc=eu",
]


def arrow_table():
    return pyarrow.table(
        {
            "time": pyarrow.array([TIME + n for n in range(4)], pyarrow.timestamp("s", "Europe/Berlin")),
            "path": pyarrow.array(["/login", "/home", "/home", "/login"]).dictionary_encode(),
            "dc": ["eu", "us", "eu", "eu"],
            "latency": [0.5, 1.5, None, 3.5],
        }
    )


def pandas_frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(
        {
            "time": pandas.to_datetime([TIME + n for n in range(4)], unit="s"),
            "path": pandas.Categorical(["/login", "/home", "/home", "/login"]),
            "dc": ["eu", "us", "eu", "eu"],
            "latency": [0.5, 1.5, float("nan"), 3.5],
        }
    )


def polars_frame():
    polars = pytest.importorskip("polars")
    return polars.DataFrame(
        {
            "time": polars.Series([(TIME + n) * 1000 for n in range(4)]).cast(polars.Datetime("ms")),
            "path": polars.Series(["/login", "/home", "/home", "/login"], dtype=polars.Categorical),
            "dc": ["eu", "us", "eu", "eu"],
            "latency": [0.5, 1.5, None, 3.5],
        }
    )


def chunked_table():
    whole = arrow_table()
    return pyarrow.concat_tables([whole.slice(n, 1) for n in range(4)])


class Exporter:
    """Nothing but the protocol."""

    def __arrow_c_stream__(self, requested_schema=None):
        return arrow_table().__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("make", [arrow_table, pandas_frame, polars_frame, chunked_table, Exporter])
def test_each_library_hands_over_the_same_points(client, server, make):
    sent = client.send_frame(make(), metric="web.latency", value="latency", timestamp="time", tags=["path", "dc"])
    assert (sent.queued, sent.skipped, sent.invalid, sent.rows, sent.bad) == (3, 1, 0, 4, [])
    assert client.flush(10)
    assert lines(server) == EXPECTED
    assert client.stats().accepted == 3


def test_what_pandas_need_not_convert_is_sent_as_the_rest_is(client, server):
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    times = pandas.to_datetime([TIME, TIME + 1, None, TIME + 3], unit="s")
    tables = {
        "as they lie": (times.fillna(pandas.Timestamp(TIME + 2, unit="s")), ["eu", "us", "eu", "eu"]),
        "with nulls": (times, ["eu", None, "eu", "eu"]),
    }
    expected = []
    for time_, places in tables.values():
        for zone, unit in [(None, "s"), ("Europe/Berlin", "ms"), (None, "us"), ("UTC", "ns")]:
            instants = time_.as_unit(unit)
            strided = numpy.array([[0.5, 1], [float("nan"), 2], [2.5, 3], [3.5, 4]])
            frame = pandas.DataFrame(
                {
                    "time": instants.tz_localize("UTC").tz_convert(zone) if zone else instants,
                    "dc": pandas.Categorical(places, categories=["unused", "us", "eu"]),
                    "host": ["a", "b", "c", "d"],
                    "float": strided[:, 0],
                    "small": numpy.array([0.5, 1.5, 2.5, 3.5], "float32"),
                    "whole": numpy.array([1, 2, 3, 4], "uint16"),
                    "nullable": pandas.array([1, None, 3, 4], "Int64"),
                    # Not sent, so it is nobody's business that no server could read it.
                    "other": [object(), 1, "x", {}],
                }
            )
            values = ["float", "small", "whole", "nullable"]
            sent = client.send_frame(frame, value=values, timestamp="time", tags=["dc", "host"])
            before = len(expected)
            for row in range(4):
                if pandas.isna(frame["time"][row]):
                    continue
                dc = f" dc={places[row]}" if places[row] else ""
                for value in values:
                    cell = frame[value][row]
                    if not pandas.isna(cell):
                        text = f"{float(cell):.1f}".removesuffix(".0")
                        expected.append(f"put {value} {TIME + row} {text}{dc} host={'abcd'[row]}")
            assert (sent.queued, sent.queued + sent.skipped) == (len(expected) - before, 16)
    assert client.flush(10)
    assert lines(server) == expected


def test_the_index_of_pandas_and_its_other_names_are_columns_too(client, server):
    pandas = pytest.importorskip("pandas")
    index = pandas.to_datetime([TIME, TIME + 1], unit="s").rename("time")
    client.send_frame(pandas.DataFrame({"v": [1, 2], "h": "a"}, index=index), value="v", timestamp="time", tags="h")
    client.send_frame(pandas.DataFrame([[TIME, 3, "a"]]), value={"1": "v"}, timestamp="0", tags={"2": "h"})
    client.send_frame(pandas.DataFrame({"v": [], "h": [], "t": []}, dtype="int64"), value="v", timestamp="t")
    twice = pandas.DataFrame([[1, 2, TIME]], columns=["v", "v", "t"])
    with pytest.raises(ValueError, match="Duplicate"):
        client.send_frame(twice, value="v", timestamp="t")
    assert client.flush(10)
    assert lines(server) == [f"put v {TIME} 1 h=a", f"put v {TIME + 1} 2 h=a", f"put v {TIME} 3 h=a"]


def test_several_columns_name_their_metrics_and_tags(client, server):
    table = pyarrow.table({"t": [TIME], "where": ["eu"], "a": [1], "b": pyarrow.array([2.5], pyarrow.float32())})
    client.send_frame(table, value={"a": "m.a", "b": "m.b"}, timestamp="t", tags={"where": "dc"})
    client.send_frame(table, value=["a", "b"], timestamp="t", tags="where")
    assert client.flush(10)
    assert lines(server) == [
        "put m.a 1600000000 1 dc=eu",
        "put m.b 1600000000 2.5 dc=eu",
        "put a 1600000000 1 where=eu",
        "put b 1600000000 2.5 where=eu",
    ]


def test_a_metric_may_stand_in_a_column_and_the_time_be_now(client, server):
    table = pyarrow.table({"name": ["cpu", "mem"], "host": ["a", "b"], "v": [1, 2]})
    before = int(time.time())
    assert client.send_frame(table, value="v", metric_column="name", tags=["host"]).queued == 2
    assert client.flush(10)
    assert [line.split()[1] for line in server.text] == ["cpu", "mem"]
    assert all(before - 1 <= int(line.split()[2]) <= time.time() + 1 for line in server.text)


def test_illegal_cells_are_told_by_row_and_column(server, caplog):
    table = pyarrow.table({"t": [TIME, 5, TIME + 2], "dc": ["eu", "eu", "e u"], "v": [1, 2, 3]})

    def send(client):
        return client.send_frame(table, metric="m", value="v", timestamp="t", tags=["dc"])

    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False)
    potsdb._records._last.clear()
    with caplog.at_level(logging.WARNING, "potsdb"):
        sent = send(client)
    assert (sent.queued, sent.invalid) == (1, 2)
    assert [(row, column) for row, column, _ in sent.bad] == [(1, "t"), (2, "dc")]
    assert "row 1, column" in caplog.records[0].getMessage()
    stats = client.close(10)
    assert (stats.accepted, stats.invalid) == (1, 2)

    client = potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False, invalid="raise")
    with pytest.raises(potsdb.InvalidPoint, match='row 1, column "t": .*2 cells in all'):
        send(client)
    # The others were sent.
    assert client.close(10).accepted == 1
    with pytest.raises(AssertionError, match="closed"):
        send(client)


def test_rows_are_counted_through_the_whole_table(client):
    count = 300_000
    table = pyarrow.table({"v": [float("inf") if n == 299_999 else float("nan") for n in range(count)]})
    sent = client.send_frame(table, metric="m", value="v")
    assert (sent.queued, sent.skipped, sent.invalid) == (0, count - 1, 1)
    assert sent.bad[0][:2] == (count - 1, "v")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"value": "v"}, ValueError, 'column "v" is not in the table'),
        ({"value": "a", "tags": ["flag"]}, TypeError, 'column "flag" is of type Boolean'),
        ({"value": []}, ValueError, "no column of values"),
        ({"value": ["a", "flag"], "metric": "m"}, TypeError, "several columns name their metrics"),
        ({"value": "a", "metric": "m", "metric_column": "b"}, TypeError, "exclude"),
        ({"value": 5}, TypeError, "iterable"),
        ({}, TypeError, "value"),
    ],
)
def test_what_cannot_be_read_is_said_at_once(client, arguments, error, words):
    table = pyarrow.table({"a": [1], "flag": [True]})
    with pytest.raises(error, match=words):
        client.send_frame(table, **arguments)
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        client.send_frame({"a": [1]}, value="a")
    assert client.stats().accepted == 0


def test_a_stream_is_taken_once(client):
    class Twice:
        def __init__(self):
            self.capsule = pyarrow.table({"v": [1]}).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema=None):
            return self.capsule

    twice = Twice()
    client.send_frame(twice, metric="m", value="v")
    with pytest.raises(ValueError, match="release"):
        client.send_frame(twice, metric="m", value="v")

    class Wrong:
        def __arrow_c_stream__(self, requested_schema=None):
            return pyarrow.schema([]).__arrow_c_schema__()

    with pytest.raises(ValueError, match="incorrect name"):
        client.send_frame(Wrong(), metric="m", value="v")


def test_a_full_queue_is_waited_for_as_long_as_said(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, qsize=1000, host_tag="h", check_host=False)
    table = pyarrow.table({"v": range(1_000_000)})
    sent = client.send_frame(table, metric="m", value="v", timeout=0.2)
    assert 0 < sent.rows < 1_000_000 and sent.queued == sent.rows == client.stats().accepted
    client.stop()


def test_other_threads_run_while_a_table_waits(late_server):
    client = potsdb.Client("127.0.0.1", late_server.port, qsize=1000, host_tag="h", check_host=False)
    table = pyarrow.table({"v": range(1_000_000)})
    results = []
    sender = threading.Thread(target=lambda: results.append(client.send_frame(table, metric="m", value="v")))
    sender.start()
    before = client.stats().accepted
    assert sender.is_alive()
    late_server.read_again()
    sender.join(60)
    assert results[0].queued == 1_000_000 > before
    client.stop()


def test_ctrl_c_ends_the_wait(stuck_server):
    client = potsdb.Client("127.0.0.1", stuck_server.port, qsize=1000, host_tag="h", check_host=False)
    table = pyarrow.table({"v": range(1_000_000)})
    alarm = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        client.send_frame(table, metric="m", value="v")
    alarm.join()
    client.stop()
