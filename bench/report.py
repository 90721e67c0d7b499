"""Runs every benchmark round by round and writes BENCHMARKS.md. Called by scripts/bench, which builds what is run.

`measures.py` says what is compared with what, `document.py` how it is told. Sides alternate within each round, so that a
machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import instructions
from document import document
from measures import MEMORY_POINTS, Figures

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, required=True, help="the built potsdb-bench")
    parser.add_argument("--ours", type=Path, help="an interpreter with the built module")
    parser.add_argument("--old", type=Path, help="an interpreter with potsdb 1.0.3")
    parser.add_argument("--others", type=Path, help="an interpreter with the other clients")
    parser.add_argument("--wheel", type=Path, help="the built wheel of the module")
    parser.add_argument("--peers", type=Path, help="the built potsdb-peers")
    parser.add_argument("--empty", type=Path, help="the folder of the compiled empty.c")
    parser.add_argument("--command", type=Path, help="the built potsdb")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a tenth of the points: to see that it runs")
    options = parser.parse_args()

    figures: Figures = defaultdict(lambda: defaultdict(list))
    memory: Figures = defaultdict(lambda: defaultdict(list))
    few = 10 if options.quick else 1
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        if options.ours and options.old:
            python(figures, options, few)
        if options.others:
            others(figures, options, few)
        updates(figures, options, 1_000_000 // few)
        if options.ours:
            imported(figures, options.ours)
        if options.wheel:
            figures["Python, the module's wheel (MiB)"]["ours"].append(options.wheel.stat().st_size / 2**20)
        if options.command:
            command(figures, options)
        for name, points in [("memory", 1_000_000), ("instruments", 20_000_000), ("bridges", 5_000_000), ("wire", 8_000_000), ("threads", 4_000_000), ("stalls", 900_000)]:
            collect(figures, run(options.bench, name, 1, points // few))
        collect(figures, run(options.bench, "endpoints", 1))
        peers(figures, options, 1_000_000 // few)
        paths(figures, memory, options, MEMORY_POINTS // few)
        crates(figures)
        for threads in (1, 8):
            system_calls(figures, options.bench, threads, 4_000_000 // few)
    profile = instructions.table(options.bench) if shutil.which("valgrind") else ["Left out, because it was missing: valgrind."]
    text = document(figures, memory, profile, options.rounds)
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
    if options.empty:
        environment = {**os.environ, "PYTHONPATH": str(options.empty)}
        collect(figures, run(options.ours, ROOT / "bench/peer.py", "empty", 200_000 // few, 0, env=environment))


def others(figures: Figures, options: argparse.Namespace, few: int) -> None:
    """Clients of other stores. Ours of the calls is in the same round's `call`; of the tables it is measured here."""
    for side, script, measure, points in [
        (options.others, "others.py", "call", 100_000 // few),
        (options.others, "others.py", "frame", 1_000_000 // few),
        (options.ours, "peer.py", "frame", 1_000_000 // few),
    ]:
        with reader(options.bench) as port:
            collect(figures, run(side, ROOT / "bench" / script, measure, points, port))


def updates(figures: Figures, options: argparse.Namespace, updates: int) -> None:
    # Every side in one process: the interpreter of the tests has the others that there are bridges from.
    if options.ours:
        collect(figures, run(options.ours, ROOT / "bench/updates.py", updates))


def peers(figures: Figures, options: argparse.Namespace, points: int) -> None:
    collect(figures, run(options.bench, "beside", points))
    if options.peers:
        with reader(options.bench, "reads") as tcp, reader(options.bench, "datagrams") as udp:
            collect(figures, run(options.peers, points, tcp, udp))


def paths(figures: Figures, memory: Figures, options: argparse.Namespace, points: int) -> None:
    """Speed and memory of each path, in a process of its own, and of two of them the processor time of that process."""
    told = {"telnet": "Rust, processor time a delivered point (ns)", "http": "HTTP gzip, whole cost per point (ns of CPU)"}
    programs = [(path, [options.bench, "path", path]) for path in ("telnet", "http", "lines", "batch")]
    if options.ours:
        programs += [(path, [options.ours, ROOT / "bench/path.py", path]) for path in ("send", "series", "frame")]
    for path, program in programs:
        with reader(options.bench, "http" if path == "http" else "answers") as port:
            # The reader is a child too, but counts only once it has ended.
            before = children()
            collect(memory, run(*program, points, port))
            busy = children() - before
        if path in told:
            figures[told[path]]["ours"].append(busy / points * 1e9)


def children() -> float:
    """Seconds of processor time of all processes that were started from here, and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def crates(figures: Figures) -> None:
    """The client's tree as scripts/arrows and ARCHITECTURE.md count it: by name, the client itself included."""
    tree = ["cargo", "tree", "--quiet", "-p", "potsdb", "-e", "normal", "--prefix", "none", "--no-default-features"]
    for name, features in [("telnet", ""), ("telnet and HTTP", "http")]:
        lines = run(*tree, "--features", features, cwd=ROOT).splitlines()
        names = {line.split()[0] for line in lines if line.strip()}
        figures[f"Crates in the client's tree, {name}"]["ours"].append(len(names))


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
def reader(bench: Path, manner: str = "answers") -> Iterator[int]:
    """A process that reads what it is sent, and unless told otherwise answers `version`; it ends with its standard input."""
    with subprocess.Popen([bench, "reader", manner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
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


def run(*command: object, **options) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **options).stdout


if __name__ == "__main__":
    main()
