"""What the page of `potsdb serve` costs: intake with it open beside intake without it, in one run, the sides alternating.

    bench/page.py COMMAND [--rounds N] [--series N] [--points N]

Sends points over one telnet connection as fast as they are taken, once with `--page off`, once with the page served and
nobody looking, once with Chromium looking at it; prints the median ratios to the first, of time and of the intake thread's
processor time, which others on the machine disturb less. `--memory` instead fills a server
with a million series and prints what it weighs, without and with the page open.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/page"))
from chromium import Chromium, command  # noqa: E402

START = 1767225600
LONG = 120


class Server:
    def __init__(self, potsdb: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [potsdb, "serve", "--json", "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.peer = socket.create_connection(("127.0.0.1", self.port))

    def send(self, block: bytes) -> None:
        self.peer.sendall(block)

    def answered(self) -> None:
        """Returns when all that was sent has been taken."""
        self.peer.sendall(b"version\n")
        heard = b""
        while not heard.endswith(b"potsdb-receiver\n"):
            heard = (heard + self.peer.recv(4096))[-100:]

    def memory(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024

    def worked(self) -> float:
        """Seconds of a processor that the thread of all connections has had."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "potsdb-front":
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise LookupError("it has no such thread")

    def close(self) -> None:
        self.peer.close()
        self.process.terminate()
        self.process.wait(60)


def block(second: int, series: int) -> bytes:
    lines = (f"put bench.metric{n % 50} {START + second} {second * 7 + n}.5 host=web-{n // 50} core={n % 16} dc=eu\n" for n in range(series))
    return "".join(lines).encode()


def took(server: Server, blocks: list[bytes]) -> tuple[float, float]:
    """Seconds of one pass of all blocks, and those of the thread's processor; their series are known already."""
    began, worked = time.perf_counter(), server.worked()
    for each in blocks:
        server.send(each)
    server.answered()
    return time.perf_counter() - began, server.worked() - worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--series", type=int, default=2_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--memory", action="store_true")
    asked = parser.parse_args()
    browser = command()
    if browser is None:
        sys.exit("bench/page.py: Chromium is missing")
    memory(asked.command, browser) if asked.memory else ratios(asked, browser)


def ratios(asked: argparse.Namespace, browser: str) -> None:
    blocks = [block(second, asked.series) for second in range(asked.points // asked.series)]
    chromium = Chromium(browser)
    sides = {"off": Server(asked.command, "--page", "off"), "served": Server(asked.command), "open": Server(asked.command)}
    tab = chromium.tab()
    try:
        for server in sides.values():
            took(server, blocks[:1])
        tab.open(f"http://127.0.0.1:{sides['open'].port}/")
        tab.until("document.querySelectorAll('.row:not([hidden])').length > 5", "the series are listed")
        passes: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for round_ in range(asked.rounds + 1):
            for side, server in sides.items():
                one = took(server, blocks)
                # The first round stores the points, the others find them stored.
                if round_:
                    passes[side].append(one)
        looked = tab.run("document.getElementById('link').dataset.state")
        rates = {side: asked.points / statistics.median(time for time, _ in each) for side, each in passes.items()}

        def beside_off(side: str, of: int) -> float:
            return round(statistics.median(off[of] / one[of] for off, one in zip(passes["off"], passes[side])), 3)

        print(json.dumps({
            "series": asked.series, "points": asked.points, "rounds": asked.rounds, "the page is": looked,
            "points per second": {side: round(rate) for side, rate in rates.items()},
            "intake beside off": {side: beside_off(side, 0) for side in ("served", "open")},
            "by the thread's processor time": {side: beside_off(side, 1) for side in ("served", "open")},
        }, indent=1))  # fmt: skip
    finally:
        chromium.close()
        for server in sides.values():
            server.close()


def memory(potsdb: str, browser: str) -> None:
    server = Server(potsdb)
    chromium = Chromium(browser)
    try:
        empty = server.memory()
        for first in range(0, 1_000_000, 10_000):
            server.send("".join(f"put fleet.metric{n % 100} {START} {n} host=h{n // 100} core={n % 7}\n" for n in range(first, first + 10_000)).encode())
        server.answered()
        full = server.memory()
        tab = chromium.tab()
        tab.open(f"http://127.0.0.1:{server.port}/")
        tab.until("document.getElementById('matches').innerText.includes('more are not listed')", "the series are listed", LONG)
        tab.until("document.getElementById('matches').innerText.replace(/ \\(.*/, '').replace(/\\D/g, '') === '250000'", "all it lists", LONG)
        looking = server.memory()
        script = tab.run("Math.round((performance.memory?.usedJSHeapSize ?? 0) / 1048576)")
        print(json.dumps({"MiB": {"empty": empty, "1 000 000 series": full, "and the page open": looking, "in the browser": script}}, indent=1))
    finally:
        chromium.close()
        server.close()


if __name__ == "__main__":
    main()
