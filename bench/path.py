"""Points along one path of the Python module, once, in a process of its own: what `potsdb-bench path` is for Rust.

    path.py send | series | frame POINTS PORT

Prints points a second until all of them are delivered; the most MiB there were above idle, which is a client that is
connected and has sent a point; and the MiB above idle that are left when nothing settles any more. The options are the
defaults, but that `overflow` is "block", so that no point is dropped.
"""

import sys
import time
from pathlib import Path

import potsdb
from loops import START, TAGS, figure, send, send_series

# As long as answered points stay re-sendable by default, and the worker's time to notice.
SETTLED = 2.5


def main() -> None:
    path, points, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    metrics = potsdb.Client("127.0.0.1", port, host_tag=None, check_host=False, overflow="block")
    title, work = {"send": by_send, "series": by_series, "frame": by_frame}[path](metrics, points)
    metrics.send("bench.idle", 1, host="web1", timestamp=START)
    assert metrics.flush(60)
    idle = resident("VmRSS")
    # The peak begins anew: what starting took is not in it.
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    work()
    assert metrics.flush(60)
    took = time.perf_counter() - started
    time.sleep(SETTLED)
    figure(title, "points/s", points / took)
    figure(title, "peak", (resident("VmHWM") - idle) / 1024)
    figure(title, "settled", (resident("VmRSS") - idle) / 1024)
    stats = metrics.close(60)
    assert stats.accepted == stats.acknowledged == points + 1, stats
    assert (stats.repeated, stats.dropped, stats.invalid) == (0, 0, 0), stats


def by_send(metrics, points: int):
    return "Python `send`", lambda: send(points, metrics.send)


def by_series(metrics, points: int):
    series = metrics.series("bench.latency", **TAGS)
    return "Python `series.send`", lambda: send_series(points, series.send)


def by_frame(metrics, points: int):
    import tables

    columns = {"metric": "bench.latency", "value": "latency", "timestamp": "time", "tags": ["path", "dc"]}
    # The first table of a process imports PyArrow.
    assert metrics.send_frame(tables.frame(0), **columns).queued == 0
    table = tables.frame(points)
    return "Python `send_frame`", lambda: metrics.send_frame(table, **columns)


def resident(name: str) -> int:
    """KiB of this process in memory, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


main()
