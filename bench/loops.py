"""The loops that are timed in Python: the same names, values and tags on every side, each point a second after the last."""

import time

START = 1_600_000_000
TAGS = {"path": "/login", "dc": "eu", "host": "web1"}


def lap(points: int, loop, *function) -> float:
    started = time.perf_counter()
    loop(points, *function)
    return time.perf_counter() - started


def least(points: int, loop) -> float:
    """What a loop takes that only makes arguments, the best of five: one that was disturbed makes a call look cheap."""
    return min(lap(points, loop) for _ in range(5))


def send(points: int, function) -> None:
    for n in range(points):
        function("bench.latency", n * 1e-6, path="/login", dc="eu", host="web1", timestamp=START + n)


def send_series(points: int, function) -> None:
    for n in range(points):
        function(n * 1e-6, START + n)


def send_now(points: int, function) -> None:
    for n in range(points):
        function(n * 1e-6)


def arguments(points: int) -> None:
    for n in range(points):
        n * 1e-6
        START + n


def arguments_now(points: int) -> None:
    for n in range(points):
        n * 1e-6


def figure(measure: str, side: str, value: float) -> None:
    print(f"{measure}\t{side}\t{value}", flush=True)
