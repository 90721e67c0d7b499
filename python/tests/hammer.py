"""Calls `send` in every way Python has, over and over, and looks at the reference counts before and after.

Run under valgrind by `scripts/sanitize`, and by `test_counts_references.py` under a debug build of Python, which ends at the
first reference that is given back twice, and knows the sum of all: one that is kept shows a thousand times.
"""

from __future__ import annotations

import gc
import sys

import potsdb

CALLS = 1000


def main() -> None:
    total = getattr(sys, "gettotalrefcount", lambda: 0)
    objects = ["metric.name", "value", object()]
    # What is made once, caches and interned strings, is made in the first two.
    counts = []
    # Modules that are imported late use words like "value", too.
    hammer(objects)
    gc.collect()
    for _ in range(5):
        before = [sys.getrefcount(o) for o in objects]
        hammer(objects)
        gc.collect()
        assert [sys.getrefcount(o) for o in objects] == before, "a reference was kept or given back twice"
        counts.append(total())
    grown = [after - before for before, after in zip(counts[2:], counts[3:], strict=False)]
    assert all(abs(more) < CALLS // 10 for more in grown), f"references in all: {counts}"
    print(f"{counts[-1]} references, {grown} more each time")


def hammer(objects: list) -> None:
    name, value, _ = objects
    client = open_client()
    series = client.series("m", a=1)
    counter, gauge, timer = client.counter("c", a=1), client.gauge("g", a=1), client.timer("t", a=1)
    histogram, value_of = client.histogram("h", a=1), "7"
    for i in range(CALLS):
        client.send(name, i, a=1, b="x" * (i % 50))
        client.send(name=name, val=float(i), a=objects[2].__class__.__name__)
        client.send(name, str(i), tags={"k": i}, timestamp=1700000000 + i)
        # A call site in its every state: seen, learned, found, of other strings, of strings that die, pushed out.
        path = "".join(["/p", str(i % 7)])
        client.send(name, i, path=value, dc="eu", timestamp=1700000000 + i)
        client.send(name, i * 0.1, path=path, dc="eu")
        client.send(name, i, **{"a": value, "b": path})
        series.send(i)
        series.send(i * 0.1, 1700000000 + i)
        series.send(value=i, timestamp=None)
        counter.add()
        gauge.set(i)
        histogram.record(i)
        with timer, timer.time():
            pass
        timer(int)(value_of)
        for call, arguments, keywords in [
            (client.send, (), {}),
            (client.send, (name,), {}),
            (client.send, (name, objects[2]), {"a": 1}),
            (client.send, ("bad name", 1), {"a": 1}),
            (client.send, (name, 1), {"\ud800": 1}),
            (client.send, (name, 1), {"a": "\ud800"}),
            (client.send, (name, float("nan")), {"a": 1}),
            (series.send, (), {}),
            (series.send, (1, 2, 3), {}),
            (series.send, (1,), {"when": 2}),
        ]:
            try:
                call(*arguments, **keywords)
            except (TypeError, ValueError):
                pass
    client.close(5)


def open_client() -> potsdb.Client:
    return potsdb.Client("127.0.0.1", 1, check_host=False, host_tag=None, test_mode=True)


if __name__ == "__main__":
    main()
