"""Draws what grows: one SVG for each plot of `potsdb-bench growth`, into bench/growth/. Called by scripts/bench.

A plot has a panel for each of its lines, over one logarithmic axis; the heights begin at 0, so that what is flat looks flat.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "growth"
TITLES = {
    "series": ("Sending to so many series in turn, into the queue", "series"),
    "threads": ("Threads on one client, to a socket that is read", "threads"),
    "depth": ("A queue that fills while the server is away", "points in the queue"),
    "rate": ("Sending at a rate to a socket that is read; last, as fast as it goes", "points a second"),
}
# Where each plot is looked at: a queue fills within one process, and 0 is a rate without limit.
PLACES = {
    "series": [10**n for n in range(6)],
    "threads": [1, 2, 4, 8, 16, 32, 64],
    "depth": [10_000_000],
    "rate": [*(10**n for n in range(7)), 0],
}
COLOURS = ["#1f6f8b", "#c8553d", "#5b7f3a"]
WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM, GAP = 640, 130, 70, 20, 36, 44, 34

Line = list[tuple[float, float]]


def main() -> None:
    for plot, places in PLACES.items():
        lines: dict[str, Line] = defaultdict(list)
        for place in places:
            command = [sys.argv[1], "growth", plot, str(place)]
            for row in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
                _, line, x, y = row.split("\t")
                lines[line].append((float(x), float(y)))
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{plot}.svg").write_text(drawing(*TITLES[plot], lines))


def drawing(title: str, axis: str, lines: dict[str, Line]) -> str:
    xs = sorted({x for line in lines.values() for x, _ in line})
    low, high = math.log10(xs[0]), math.log10(xs[-1])
    height = TOP + len(lines) * (PANEL + GAP) + BOTTOM

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{title}</text>',
        f'<text x="{(WIDTH + LEFT) / 2}" y="{height - 8}" text-anchor="middle">{axis}</text>',
    ]
    parts += [f'<text x="{across(x):.1f}" y="{height - BOTTOM + 14}" text-anchor="middle">{short(x)}</text>' for x in apart(xs, across)]
    for index, ((name, line), colour) in enumerate(zip(lines.items(), COLOURS, strict=False)):
        top = TOP + index * (PANEL + GAP) + GAP / 2
        parts.append(f'<text x="{LEFT}" y="{top - 4}" fill="{colour}">{name}</text>')
        parts += panel([(across(x), y) for x, y in line], top, colour)
    return "\n".join([*parts, "</svg>", ""])


def panel(line: Line, top: float, colour: str) -> list[str]:
    """One line over its own heights; its points are where they are to be across."""
    most = max(y for _, y in line) * 1.1 or 1.0
    step = next(step for power in range(-9, 12) for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if most / step <= 4)

    def up(y: float) -> float:
        return top + PANEL - y / most * PANEL

    parts = []
    for number in range(int(most / step) + 1):
        y = up(number * step)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}</text>')
    points = " ".join(f"{x:.1f},{up(y):.1f}" for x, y in line)
    parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return parts + [f'<circle cx="{x:.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]


def apart(xs: list[float], across) -> list[float]:
    """Those of the places whose labels do not run into the one before."""
    labelled = xs[:1]
    labelled += [x for before, x in zip(xs, xs[1:], strict=False) if across(x) - across(before) > 30]
    return labelled


def short(x: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if x >= size:
            return f"{x / size:.3g}{unit}"
    return f"{x:g}"


main()
