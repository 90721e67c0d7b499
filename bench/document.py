"""BENCHMARKS.md, made of the figures of all rounds.

A figure is the median of all rounds, beside it the spread: the smallest and the largest.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
from pathlib import Path

from measures import MEASURES, MEMORY_POINTS, Figures, Measure

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["points/s", "peak", "settled"]

HOW = """\
`scripts/bench`: {rounds} rounds, the sides alternating within each. Figures are medians, in brackets the smallest and the \
largest; a ratio is the median of the rounds' ratios.
A call's cost is the loop with it less the loop that only makes its arguments (the best of five of those). After each timed
section the client's own books have to say accepted = calls, repeated = dropped = 0, and everything delivered or, for *queue to memory*, queued.
"""
SIDES = """\
A socket that is read: by a process of its own on loopback, which only reads. *Acknowledged by `version`* and the Python rows:
by one that also answers `version`, as OpenTSDB does. Points are one series of three tags, 60 to 70 bytes a line.
Of the other clients only what a call costs, its arguments included, is compared: they speak other protocols and keep no books.
*metrics* overwrites a number in memory, of which its exporter sends the last one now and then: no point per call, nothing to deliver.
*An empty native method* is called with the same arguments and looks at none of them, the best of 20 laps: no call of Python's can
cost less.
Crates are counted by `cargo tree` on this system, the client itself included, TLS not counted.
"""
MEMORY = """\
## Memory: {millions} million points along each path

Each in a process of its own, to a reader that answers; default options, but `overflow=block`. Idle is a client that is
connected and has sent a point; settled is after a flush, when answered points are no longer kept for being sent again (2 s).
What is sent is made before: 10 000 lines or rows, again and again, and of `send_frame` the whole table.
"""
INSTRUCTIONS = """\
## Where the instructions go

The three hottest paths under callgrind (`bench/instructions.py`). A function is named as it was compiled, and beside it where
its instructions were written, for most of them were inlined.
"""
GROWTH = """\
## What grows, and what does not

`bench/growth.py`, each place in a process of its own.
"""


def document(figures: Figures, memory: Figures, profile: list[str], rounds: int) -> str:
    known = {measure.name for measure in MEASURES}
    assert figures.keys() <= known, figures.keys() - known
    missing = dict.fromkeys(measure.needs for measure in MEASURES if measure.needs and not measured(measure, figures))
    return "\n".join(
        [
            "# Benchmarks",
            "",
            machine(),
            "",
            HOW.format(rounds=rounds),
            "| measure | ours | baseline | ratio | target | |",
            "|---|---|---|---|---|---|",
            *(row(measure, figures[measure.name]) for measure in MEASURES if measured(measure, figures)),
            "",
            SIDES,
            *(f"Left out, because it was missing: {need}.\n" for need in missing),
            MEMORY.format(millions=MEMORY_POINTS // 10**6),
            "| path | points/s | MiB at the peak, above idle | MiB when settled, above idle |",
            "|---|---|---|---|",
            *(f"| {path} | {' | '.join(spread(columns[column]) for column in COLUMNS)} |" for path, columns in memory.items()),
            "",
            INSTRUCTIONS,
            *profile,
            "",
            (ROOT / "bench/notes.md").read_text(),
            GROWTH,
            *(f"![{plot}](bench/growth/{plot}.svg)" for plot in ("series", "threads", "depth", "rate")),
            "",
        ]
    )


def machine() -> str:
    return (
        f"{datetime.date.today()}, commit {said('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD')}, "
        f"{os.cpu_count()} cores of {processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {said('rustc', '--version')}; load over 15 minutes {os.getloadavg()[2]:.1f}."
    )


def measured(measure: Measure, figures: Figures) -> bool:
    return "ours" in figures[measure.name] and (not measure.baseline or measure.baseline in figures[measure.name])


def row(measure: Measure, sides: dict[str, list[float]]) -> str:
    ours = sides["ours"]
    if not measure.baseline:
        if measure.target is None:
            return f"| {measure.name} | {spread(ours)} | | | | |"
        verdict = "met" if statistics.median(ours) <= measure.target else "**not met**"
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


def said(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
