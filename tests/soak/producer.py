"""A Python producer of the soak: sends, flushes, forks, and keeps books of what its flushes confirmed (src/books.rs).

    producer.py FOLDER NAME URL SEED steady|forking       until a line on standard input, or SIGTERM, or kill -9

`steady` sends from two threads. `forking` also forks children all the time, which send through their parent's client and
end in every way there is; each process and thread is a producer of its own, with a name and a book of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import select
import signal
import sys
import threading
import time

import potsdb

START = 1_600_000_000
BEAT = 0.02
PATIENCE = 60.0


class Producer:
    """A name, how many points it has sent, and its book."""

    def __init__(self, client: potsdb.Client, folder: str, name: str) -> None:
        self.name, self.sent = name, 0
        self._series = client.series("soak", producer=name)
        self._book = os.open(f"{folder}/{name}.book", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def send(self, points: int) -> None:
        for _ in range(points):
            number = self.sent
            value = number * 7919 % 1_000_003 if number % 2 == 0 else number / 8
            assert self._series.send(value, START + number)
            self.sent += 1

    def flushed(self, count: int) -> None:
        os.write(self._book, f"flushed {count} {time.time():.6f}\n".encode())

    def end(self, stats: potsdb.Stats) -> None:
        names = ("accepted", "acknowledged", "unconfirmed", "rejected", "dropped", "pending", "resent", "connects",
                 "released_early", "torn")  # fmt: skip
        ledger = {name: getattr(stats, name) for name in names}
        os.write(self._book, f"end {json.dumps(ledger)}\n".encode())
        os.close(self._book)


def flush(client: potsdb.Client, producers: list[Producer]) -> None:
    counts = [producer.sent for producer in producers]
    if client.flush(PATIENCE):
        for producer, count in zip(producers, counts):
            producer.flushed(count)


def child(client: potsdb.Client, folder: str, name: str, chance: random.Random) -> None:
    """Sends, and ends as a child may: with what it confirmed, or leaving it to the hook at exit, or to nobody."""
    # The hook's grace is shorter than the longest fault: what it could not deliver is in the ledger of no flush.
    producer = Producer(client, folder, name)
    producer.send(chance.randrange(1, 1500))
    ending = chance.choice(["flush", "flush", "close", "exit"])
    if ending == "exit":
        return
    flush(client, [producer])
    if ending == "close":
        producer.end(client.close(PATIENCE))


def fork(client: potsdb.Client, folder: str, name: str, chance: random.Random) -> int:
    seed, hard = chance.randrange(1 << 30), chance.random() < 0.5
    pid = os.fork()
    if pid == 0:
        # The parent's children are not this process's to join at its end, which multiprocessing would try.
        multiprocessing.process._children.clear()
        try:
            child(client, folder, name, random.Random(seed))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        if hard:
            os._exit(0)
        sys.exit()
    return pid


def main() -> None:
    folder, name, url, seed, role = sys.argv[1:]
    chance = random.Random(int(seed))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client = potsdb.Client.from_url(url, host_tag=None, queue_points=0, check_host=False)
    producers = [Producer(client, folder, f"{name}-{number}") for number in range(2)]
    ending = threading.Event()

    def work() -> None:
        while not ending.wait(BEAT):
            producers[1].send(4)

    # A forking program has one thread, as it should.
    other = threading.Thread(target=work, daemon=True)
    if role == "steady":
        other.start()
    children: set[int] = set()
    processes: list[multiprocessing.process.BaseProcess] = []
    context = multiprocessing.get_context("fork")
    forks, flush_at, fork_at = 0, time.monotonic() + 1, time.monotonic() + 0.5
    while not select.select([sys.stdin], [], [], BEAT)[0]:
        producers[0].send(8)
        if time.monotonic() >= flush_at:
            flush(client, producers)
            flush_at = time.monotonic() + chance.uniform(0.5, 1.5)
        if role == "forking":
            children = {pid for pid in children if not ended(pid)}
            assert all(process.exitcode in (None, 0) for process in processes), processes
            processes = [process for process in processes if process.exitcode is None]
            if time.monotonic() >= fork_at and len(children) + len(processes) < 6:
                forks += 1
                fork_at = time.monotonic() + chance.uniform(0.1, 1.5)
                if chance.random() < 0.7:
                    children.add(fork(client, folder, f"{name}-f{forks}", chance))
                else:
                    arguments = (client, folder, f"{name}-m{forks}", random.Random(chance.randrange(1 << 30)))
                    processes.append(context.Process(target=child, args=arguments))
                    processes[-1].start()
    ending.set()
    if role == "steady":
        other.join()
    while children:
        _, status = os.waitpid(children.pop(), 0)
        assert status == 0, f"a child ended with {status}"
    for process in processes:
        process.join()
        assert process.exitcode == 0, f"a child ended with {process.exitcode}"
    flush(client, producers)
    producers[0].end(client.close(PATIENCE))


def ended(pid: int) -> bool:
    found, status = os.waitpid(pid, os.WNOHANG)
    assert status == 0, f"a child ended with {status}"
    return found == pid


if __name__ == "__main__":
    main()
