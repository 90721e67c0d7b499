"""Where the instructions of the hottest paths go: a table for BENCHMARKS.md, counted by valgrind. Called by report.py.

    instructions.py BENCH      the table alone, of a built potsdb-bench

The compiler puts most functions of a path into one. So each row is a function as it was compiled, and beside it the
functions, or where their source is not at hand the files, that its instructions were written in.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What bench/src/count.rs calls them, what they are, and how many points its thousand calls make.
PATHS = [
    ("series-send-float", "`series.send_at`, float", 1_000),
    ("render-float", "`line::write`, float", 1_000),
    ("send-frame", "`send_frame`, a point of a batch of 100", 100_000),
]
# Rows of a path, and sources of a row, that are told.
FUNCTIONS, SOURCES = 6, 5


def main() -> None:
    print("\n".join(table(Path(sys.argv[1]))))


def table(bench: Path) -> list[str]:
    lines = ["| path, instructions a point | function, as compiled | share | written in, share of the path |", "|---|---|---|---|"]
    for path, title, points in PATHS:
        costs = dict(counted(bench, path))
        everything = sum(sum(sources.values()) for sources in costs.values())
        first = f"{title}: {everything / points:.0f}"
        most = sorted(costs.items(), key=lambda row: -sum(row[1].values()))[:FUNCTIONS]
        for function, sources in most:
            written = ", ".join(f"{source} {cost / everything:.0%}" for source, cost in sources.most_common(SOURCES) if cost * 200 > everything)
            lines.append(f"| {first} | `{function}` | {sum(sources.values()) / everything:.0%} | {written} |")
            first = ""
    return lines


def counted(bench: Path, path: str) -> dict[str, Counter[str]]:
    """Instructions by function as compiled, and by the source they come from; only the thread within `counted`."""
    with tempfile.NamedTemporaryFile() as out:
        callgrind = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out.name}"]
        toggle = "--toggle-collect=potsdb_bench::count::counted"
        subprocess.run([*callgrind, toggle, str(bench), "count", path], check=True)
        costs: dict[str, Counter[str]] = {}
        for function, file, line, cost in rows(Path(out.name).read_text()):
            costs.setdefault(function, Counter())[source(file, line)] += cost
    return costs


def rows(profile: str) -> Iterator[tuple[str, str, int, int]]:
    """Function, file, line and instructions, from callgrind's own format.

    Names are written once and then known by their number; lines are told as the difference to the line before; what
    follows `calls=` is what the callee took, and on the callee's account.
    """
    names: dict[tuple[str, str], str] = {}
    function = file = ""
    line, of_callee = 0, False
    for text in profile.splitlines():
        if named := re.fullmatch(r"(c?)(fn|fl|fi|fe)=\((\d+)\)(?: (.*))?", text):
            called, kind, number, name = named.groups()
            key = ("fn" if kind == "fn" else "file", number)
            name = names.setdefault(key, name or "")
            if not called and kind == "fn":
                function = name
            elif not called:
                file = name
        elif text.startswith("calls="):
            of_callee = True
        elif cost := re.fullmatch(r"(\*|[+-]?\d+)(?: (\d+))?", text):
            place = cost[1]
            line = line if place == "*" else line + int(place) if place[0] in "+-" else int(place)
            if cost[2] and not of_callee:
                yield function, file, line, int(cost[2])
            of_callee = False


def source(file: str, line: int) -> str:
    """Where that is, as a reader of the repository would say it: no path of the machine that built it."""
    path = Path(file)
    if path.is_relative_to(ROOT):
        return f"`{path.relative_to(ROOT)}`{function_at(path, line)}"
    if "/registry/src/" in file:
        return f"`{Path(*path.parts[path.parts.index('src') + 2 :])}`{function_at(path, line)}"
    if "/library/" in file:
        return f"`{os.path.normpath(file).split('/library/', 1)[1].replace('/src/', '/')}`"
    return f"`{path.name}`" if path.name != "???" else "the C library"


def function_at(path: Path, line: int) -> str:
    """The nearest function that begins above; nothing where the compiler names no line."""
    above = [name for start, name in functions(path) if start <= line]
    return f" `{above[-1]}`" if above and line else ""


@functools.cache
def functions(path: Path) -> list[tuple[int, str]]:
    if not path.exists():
        return []
    lines = enumerate(path.read_text().splitlines(), 1)
    return [(number, begun[1]) for number, text in lines if (begun := re.match(r"\s*(?:pub(?:\([a-z]+\))? )?(?:(?:const|unsafe) )*fn (\w+)", text))]


if __name__ == "__main__":
    main()
