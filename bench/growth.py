"""Draws what grows: one SVG for each plot of `potsdb-bench growth`, into bench/growth/. Called by scripts/bench.

A plot is lines of points over a logarithmic axis; the heights begin at 0, so that what is flat looks flat.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "growth"
TITLES = {
    "series": ("The cost of a point, and the memory of a series", "series in turn"),
    "threads": ("The cost of a point to a socket that is read, processor time of the process", "threads on one client"),
    "depth": ("The cost and the memory of a point while the server is away", "points in the queue"),
    "rate": ("Processor time of the process while it sends at a rate", "points a second"),
}
COLOURS = ["#1f6f8b", "#c8553d"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 70, 20, 40, 60

Line = list[tuple[float, float]]


def main() -> None:
    plots: dict[str, dict[str, Line]] = defaultdict(lambda: defaultdict(list))
    # Each in a process of its own: memory that was used before is not seen to grow.
    runs = [["series", "1000000", str(10**n)] for n in range(6)] + [["threads"], ["depth"], ["rate"]]
    for arguments in runs:
        command = [sys.argv[1], "growth", *arguments]
        for row in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
            plot, line, x, y = row.split("\t")
            plots[plot][line].append((float(x), float(y)))
    FOLDER.mkdir(exist_ok=True)
    for plot, lines in plots.items():
        (FOLDER / f"{plot}.svg").write_text(drawing(*TITLES[plot], lines))


def drawing(title: str, axis: str, lines: dict[str, Line]) -> str:
    xs = sorted({x for line in lines.values() for x, _ in line})
    most = max(y for line in lines.values() for _, y in line) * 1.1
    step = next(step for power in range(-1, 12) for step in (10**power, 2 * 10**power, 5 * 10**power) if most / step <= 6)
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{title}</text>',
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{axis}</text>',
    ]
    for number in range(int(most / step) + 1):
        y = up(number * step)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}</text>')
    for x in xs:
        parts.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(x)}</text>')
    for index, ((name, line), colour) in enumerate(zip(lines.items(), COLOURS, strict=False)):
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        parts.append(f'<text x="{LEFT + 8 + 200 * index}" y="{HEIGHT - 26}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def short(x: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if x >= size:
            return f"{x / size:g}{unit}"
    return f"{x:g}"


main()
