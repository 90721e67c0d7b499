"""One side of one Python measure, once: potsdb 1.0.3 or ours, whichever the interpreter has.

Executed by `bench/report.py`, alternating between two interpreters; prints `MEASURE <tab> SIDE <tab> FIGURE` lines.
Both sides do the same work: the same names, values and tags, the same explicit timestamps, each a second after the
one before, to the same reader, with queues that nothing falls out of.

    peer.py call POINTS PORT      a call's cost: the loop with it less the loop that only makes its arguments
    peer.py wire POINTS PORT      first send to the last point delivered, and the processor time of the process
    peer.py trickle POINTS PORT   1 000 points a second: processor time, and how often the worker wakes up
    peer.py frame POINTS PORT     a table of pandas, beside questdb's (others.py); ours alone
    peer.py held POINTS PORT      what the points weigh in the queue, while the server is away
    peer.py empty POINTS PORT     the floor: calls of `empty.c`, which has to be on PYTHONPATH
"""

import logging
import resource
import sys
import time
from pathlib import Path

import potsdb
from loops import START, TAGS, arguments, arguments_now, lap, least, send, send_now, send_series
from loops import figure as told

OURS = hasattr(potsdb, "Stats")
SIDE = "ours" if OURS else "potsdb 1.0.3"


def main() -> None:
    measures = {"call": call, "wire": wire, "trickle": trickle, "held": held, "frame": frame, "empty": empty}
    measures[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))


def figure(measure: str, value: float) -> None:
    told(measure, SIDE, value)


def client(port: int, **options):
    return potsdb.Client("127.0.0.1", port, qsize=0, host_tag=None, check_host=False, **options)


def call(points: int, port: int) -> None:
    metrics = client(port)
    loop = lap(points, send, metrics.send)
    cost = loop - least(points, arguments)
    deliver(metrics, points)
    figure("Python `send(name, value, 3 tags)` (ns)", cost / points * 1e9)
    figure("Python `send(name, value, 3 tags)`, whole loop (ns)", loop / points * 1e9)
    if OURS:
        figure("Python `send(name, value, 3 tags)` beside others (ns)", loop / points * 1e9)
    if not OURS:
        # What a series is compared with.
        figure("Python `series.send(value)` (ns)", cost / points * 1e9)
        figure("Python `series.send(value)`, automatic time, `repeats=keep` (ns)", cost / points * 1e9)
        return
    metrics = client(port)
    series = metrics.series("bench.latency", **TAGS)
    cost = lap(points, send_series, series.send) - least(points, arguments)
    deliver(metrics, points)
    figure("Python `series.send(value)` (ns)", cost / points * 1e9)
    metrics = client(port, repeats="keep")
    series = metrics.series("bench.latency", **TAGS)
    cost = lap(points, send_now, series.send) - least(points, arguments_now)
    deliver(metrics, points)
    figure("Python `series.send(value)`, automatic time, `repeats=keep` (ns)", cost / points * 1e9)


def empty(points: int, _port: int) -> None:
    import empty

    for measure, loop in [("Python `send(name, value, 3 tags)` (ns)", send), ("Python `series.send(value)` (ns)", send_series)]:
        # So little that the best of many has to stand for it: a lap that was disturbed is off by more than all of it.
        cost = min(lap(points, loop, empty.send) for _ in range(20)) - min(least(points, arguments) for _ in range(4))
        told(measure, "an empty native method", cost / points * 1e9)


def frame(points: int, port: int) -> None:
    import tables

    table = tables.frame(points)
    columns = {"metric": "bench.latency", "value": "latency", "timestamp": "time", "tags": ["path", "dc"]}
    # The first table of a process imports PyArrow.
    other = client(port)
    other.send_frame(tables.frame(10), **columns)
    other.wait()
    metrics = client(port, queue_bytes="4GiB")
    started = time.perf_counter()
    sent = metrics.send_frame(table, **columns)
    called = time.perf_counter()
    assert (sent.queued, sent.skipped, sent.invalid) == (points, 0, 0), sent
    deliver(metrics, points)
    delivered = time.perf_counter()
    figure("Python `send_frame`, a point of 2 tags (ns)", (called - started) / points * 1e9)
    figure("Python `send_frame` to the socket, a point of 2 tags (ns)", (delivered - started) / points * 1e9)


def wire(points: int, port: int) -> None:
    metrics = client(port)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    send(points, metrics.send)
    deliver(metrics, points)
    took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    figure("Python end to end, to a socket that is read (points/s)", points / took)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figure("Python, processor time a delivered point, whole process (ns)", busy / points * 1e9)


def trickle(points: int, port: int) -> None:
    metrics = client(port)
    send(100, metrics.send)
    before, started, woken = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), wake_ups()
    for n in range(100, points + 100):
        metrics.send("bench.latency", n * 1e-6, path="/login", dc="eu", host="web1", timestamp=START + n)
        time.sleep(max(0.0, started + (n - 99) * 1e-3 - time.perf_counter()))
    took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    woken = wake_ups() - woken
    deliver(metrics, points + 100)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figure("Python, trickle of 1 000 points/s, processor time of the process (ms/s)", busy / took * 1e3)
    if OURS:
        figure("Python, trickle of 1 000 points/s, wake-ups of the worker (1/s)", woken / took)


def wake_ups() -> int:
    """How often threads other than this one gave up the processor to wait."""
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != Path("/proc/thread-self").resolve().name]
    lines = [line for task in others for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def held(points: int, _port: int) -> None:
    # Nobody listens on the discard port of a machine that measures; that it is away is no news here.
    logging.disable()
    metrics = client(9)
    metrics.send("bench.latency", 1, path="/login", dc="eu", host="web1", timestamp=START - 1)
    before = resident()
    send(points, metrics.send)
    grown = resident() - before
    if OURS:
        assert metrics.stats().queued == points + 1, metrics.stats()
    figure(f"Python, memory of {points} points of 66 bytes in the queue, the server away (MiB)", grown / 2**20)
    metrics.stop()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def deliver(metrics, points: int) -> None:
    """Waits until everything is delivered, and holds ours to its books. 1.0.3 keeps none: its reader counts."""
    metrics.wait()
    if OURS:
        stats = metrics.stats()
        assert stats.accepted == stats.acknowledged + stats.unconfirmed == points, stats
        assert (stats.repeated, stats.dropped, stats.invalid) == (0, 0, 0), stats


main()
