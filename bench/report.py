"""Runs every benchmark round by round and writes BENCHMARKS.md. Called by scripts/bench, which builds what is run.

The table MEASURES says what is compared with what, and what design asks for. A figure is the median of all rounds,
beside it the spread: the smallest and the largest. Sides alternate within each round, so that a machine that slows
down slows both.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Measure(NamedTuple):
    name: str
    baseline: str
    # What ours may be at most, where less is better, or has to be at least, as a multiple of the baseline.
    target: float | None
    less_is_better: bool


OLD = "potsdb 1.0.3"
COPY = "line copied under a lock"
PLAIN = "plain 64 KiB writes"
HEALTHY = "the two healthy ones alone"
DATAFRAME = "questdb `dataframe`"
OTHERS = ["questdb `Sender.row`", "datadog statsd", "statsd TCP", "influxdb-client, its `Point` alone"]
MEASURES = [
    Measure("Python `send(name, value, 3 tags)` (ns)", OLD, 1 / 60, True),
    Measure("Python `send(name, value, 3 tags)`, whole loop (ns)", OLD, 1 / 35, True),
    Measure("Python `series.send(value)` (ns)", OLD, 1 / 100, True),
    Measure("Python `series.send(value)`, automatic time, `repeats=keep` (ns)", OLD, None, True),
    *(Measure("Python `send(name, value, 3 tags)` beside others (ns)", name, None, True) for name in OTHERS),
    Measure("Python `send_frame`, a point of 2 tags (ns)", DATAFRAME, 1 / 5, True),
    Measure("Python `send_frame` to the socket, a point of 2 tags (ns)", DATAFRAME, None, True),
    Measure("Python end to end, to a socket that is read (points/s)", OLD, 35, False),
    Measure("Python, processor time a delivered point, whole process (ns)", OLD, 1 / 30, True),
    Measure("Python, trickle of 1 000 points/s, processor time of the process (ms/s)", OLD, 1 / 3, True),
    Measure("Python, trickle of 1 000 points/s, wake-ups of the worker (1/s)", "", 200, True),
    Measure("Python, memory of 100000 points of 66 bytes in the queue, the server away (MiB)", "", 8, True),
    Measure("Python, `import potsdb` (ms)", "", 10, True),
    Measure("Python, the module's wheel (MiB)", "", 3, True),
    Measure("`potsdb send` as a process, until the point is acknowledged (ms)", "", 5, True),
    Measure("Rust `series.send_at`, integer, queue to memory (ns)", COPY, 2, True),
    Measure("Rust `series.send_at`, float, queue to memory (ns)", COPY, 2, True),
    Measure("Rust `series.send`, float, automatic time, `repeats=keep`, queue to memory (ns)", COPY, None, True),
    Measure("Rust `client.send_at`, float, 3 tags, queue to memory (ns)", COPY, None, True),
    Measure("Rust end to end, float, to a socket that is read (MB/s)", PLAIN, 0.4, False),
    Measure("Rust end to end, integer, to a socket that is read (MB/s)", PLAIN, 0.4, False),
    Measure("Rust end to end, float, acknowledged by `version` (MB/s)", PLAIN, None, False),
    Measure("Rust, 8 threads on one client (points/s)", "1 thread", 1, False),
    Measure("Rust, tsdb, four endpoints, one dead, one stalled (points/s)", HEALTHY, 0.9, False),
    Measure("Rust, http, four endpoints, one dead, one stalled (points/s)", HEALTHY, 0.9, False),
    Measure("Rust, system calls a point, 1 thread, both processes", "", 0.01, True),
    Measure("Rust, system calls a point, 8 threads, both processes", "", 0.01, True),
]

Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, required=True, help="the built potsdb-bench")
    parser.add_argument("--ours", type=Path, help="an interpreter with the built module")
    parser.add_argument("--old", type=Path, help="an interpreter with potsdb 1.0.3")
    parser.add_argument("--others", type=Path, help="an interpreter with the other clients")
    parser.add_argument("--wheel", type=Path, help="the built wheel of the module")
    parser.add_argument("--command", type=Path, help="the built potsdb")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a tenth of the points: to see that it runs")
    options = parser.parse_args()

    figures: Figures = defaultdict(lambda: defaultdict(list))
    few = 10 if options.quick else 1
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        if options.ours and options.old:
            python(figures, options, few)
        if options.others:
            others(figures, options, few)
        if options.ours:
            imported(figures, options.ours)
        if options.wheel:
            figures["Python, the module's wheel (MiB)"]["ours"].append(options.wheel.stat().st_size / 2**20)
        if options.command:
            command(figures, options)
        for name, points in [("memory", 1_000_000), ("wire", 8_000_000), ("threads", 4_000_000)]:
            collect(figures, run(options.bench, name, 1, points // few))
        collect(figures, run(options.bench, "endpoints", 1))
        for threads in (1, 8):
            system_calls(figures, options.bench, threads, 4_000_000 // few)
    text = document(figures, options.rounds)
    if options.quick:
        print(text)
    else:
        run(sys.executable, ROOT / "bench/growth.py", options.bench)
        (ROOT / "BENCHMARKS.md").write_text(text)
        print(f"wrote {ROOT / 'BENCHMARKS.md'}", file=sys.stderr)


def python(figures: Figures, options: argparse.Namespace, few: int) -> None:
    for measure, points in [("call", 200_000 // few), ("wire", 200_000 // few), ("trickle", 2_000), ("held", 100_000)]:
        for interpreter in (options.old, options.ours):
            with reader(options.bench) as port:
                collect(figures, run(interpreter, ROOT / "bench/peer.py", measure, points, port))


def others(figures: Figures, options: argparse.Namespace, few: int) -> None:
    """Clients of other stores. Ours of the calls is in the same round's `call`; of the tables it is measured here."""
    for side, script, measure, points in [
        (options.others, "others.py", "call", 100_000 // few),
        (options.others, "others.py", "frame", 1_000_000 // few),
        (options.ours, "peer.py", "frame", 1_000_000 // few),
    ]:
        with reader(options.bench) as port:
            collect(figures, run(side, ROOT / "bench" / script, measure, points, port))


def imported(figures: Figures, interpreter: Path) -> None:
    """The interpreter that imports the module, less the same interpreter that does not: medians of 20."""
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(20):
        for program in ("pass", "import potsdb"):
            started = time.perf_counter()
            run(interpreter, "-c", program)
            took[program].append(time.perf_counter() - started)
    less = statistics.median(took["import potsdb"]) - statistics.median(took["pass"])
    figures["Python, `import potsdb` (ms)"]["ours"].append(less * 1e3)


def command(figures: Figures, options: argparse.Namespace) -> None:
    """The command, start and end of the process included: the median of 20, beside nothing."""
    took = []
    with reader(options.bench) as port:
        for _ in range(20):
            started = time.perf_counter()
            run(options.command, "send", "bench.deploys", 1, "version=42", "--url", f"tsdb://127.0.0.1:{port}")
            took.append(time.perf_counter() - started)
    figures["`potsdb send` as a process, until the point is acknowledged (ms)"]["ours"].append(statistics.median(took) * 1e3)


@contextlib.contextmanager
def reader(bench: Path) -> Iterator[int]:
    """A process that reads what it is sent and answers `version`; it ends with its standard input."""
    with subprocess.Popen([bench, "reader", "answers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        yield int(process.stdout.readline())
        process.stdin.close()


def system_calls(figures: Figures, bench: Path, threads: int, points: int) -> None:
    """Counted by the kernel (perf), which slows nothing down; where perf may not, the row is left out."""
    command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", bench, "send", threads, points]
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    except FileNotFoundError:
        return
    for line in done.stderr.splitlines():
        count, *rest = line.split(",")
        if done.returncode == 0 and count.isdigit() and "raw_syscalls:sys_enter" in rest:
            name = f"Rust, system calls a point, {threads} thread{'s' if threads > 1 else ''}, both processes"
            figures[name]["ours"].append(int(count) / points)


def collect(figures: Figures, output: str) -> None:
    for line in output.splitlines():
        measure, side, figure = line.split("\t")
        figures[measure][side].append(float(figure))


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


def document(figures: Figures, rounds: int) -> str:
    known = {measure.name for measure in MEASURES}
    assert figures.keys() <= known, figures.keys() - known
    rows = [row(measure, figures[measure.name]) for measure in MEASURES if measured(measure, figures)]
    load = os.getloadavg()[2]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"{datetime.date.today()}, commit {run('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD').strip()}, "
            f"{os.cpu_count()} cores of {processor()}, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}, {run('rustc', '--version').strip()}; load over 15 minutes {load:.1f}.",
            "",
            f"`scripts/bench`: {rounds} rounds, the sides alternating within each. Figures are medians, in brackets the "
            "smallest and the largest; a ratio is the median of the rounds' ratios.",
            "A call's cost is the loop with it less the loop that only makes its arguments. After each timed section "
            "the client's own books",
            "have to say accepted = calls, repeated = dropped = 0, and everything delivered or, for *queue to memory*, queued.",
            "",
            "| measure | ours | baseline | ratio | target | |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "A socket that is read: by a process of its own on loopback, which only reads. *Acknowledged by `version`* and "
            "the Python rows:",
            "by one that also answers `version`, as OpenTSDB does. Points are one series of three tags, 60 to 70 bytes a line.",
            "Of the other clients only what a call costs is compared: they speak other protocols and keep no books.",
            "",
            "What grows, and what does not (`bench/growth.py`):",
            "",
            *(f"![{plot}](bench/growth/{plot}.svg)" for plot in ("series", "threads", "depth", "rate")),
            "",
        ]
    )


def measured(measure: Measure, figures: Figures) -> bool:
    return "ours" in figures[measure.name] and (not measure.baseline or measure.baseline in figures[measure.name])


def row(measure: Measure, sides: dict[str, list[float]]) -> str:
    ours = sides["ours"]
    if not measure.baseline:
        reached = statistics.median(ours)
        verdict = "met" if measure.target is None or reached <= measure.target else "**not met**"
        return f"| {measure.name} | {spread(ours)} | | | <= {measure.target:g} | {verdict} |"
    baseline = sides[measure.baseline]
    # Round by round: what slows a round down slows both of its sides.
    ratio = statistics.median(one / other for one, other in zip(ours, baseline, strict=True))
    if measure.target is None:
        target = verdict = ""
    else:
        met = ratio <= measure.target if measure.less_is_better else ratio >= measure.target
        target = f"{'<=' if measure.less_is_better else '>='} {fraction(measure.target)}"
        verdict = "met" if met else "**not met**"
    compared = f"{measure.baseline}: {spread(baseline)}"
    return f"| {measure.name} | {spread(ours)} | {compared} | {fraction(ratio)} | {target} | {verdict} |"


def spread(values: list[float]) -> str:
    return f"{short(statistics.median(values))} ({short(min(values))} .. {short(max(values))})"


def short(value: float) -> str:
    if value >= 100_000:
        return f"{value / 1e6:.2f} M" if value < 100e6 else f"{value / 1e6:.0f} M"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def fraction(ratio: float) -> str:
    return f"1/{1 / ratio:.0f}" if ratio < 0.1 else f"{ratio:.3g}"


def processor() -> str:
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
