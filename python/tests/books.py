"""The books of a program of many processes: each, at its very end, leaves what its client's ledger said.

    import books; books.keep(folder)      in the program, before it imports potsdb: what is registered first runs last
    books.of(client)                      ... and when it has its client
    books.read(folder)                    in the test: one ledger per process that sent, each of them balanced

It says nothing of processes that end in `os._exit` without any hook: those leave no books, unless they call `write`.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from typing import Any

LAST = -1000
"""Among the finalizers of `multiprocessing`: after the module's own."""

_folder: Path | None = None
_clients: list[Any] = []


def keep(folder: str) -> None:
    global _folder
    _folder = Path(folder)
    assert "potsdb" not in sys.modules, "what is registered first runs last"
    atexit.register(write)
    import multiprocessing.util as util

    util.register_after_fork(write, lambda _: util.Finalize(None, write, exitpriority=LAST))


def of(client: Any) -> Any:
    _clients.append(client)
    return client


def write(*_: object, **__: object) -> None:
    """The ledger of this process, once it sent something; again: the newest one."""
    assert _folder is not None
    for number, client in enumerate(_clients):
        ledger = client.stats().as_dict()
        if ledger["accepted"]:
            (_folder / f"{os.getpid()}.{number}.ledger").write_text(json.dumps(ledger))


def read(folder: Path) -> list[dict[str, Any]]:
    ledgers = [json.loads(path.read_text()) for path in sorted(folder.glob("*.ledger"))]
    for ledger in ledgers:
        known = ("acknowledged", "unconfirmed", "rejected", "dropped", "pending")
        assert ledger["accepted"] == sum(ledger[name] for name in known), ledger
        assert ledger["torn"] == 0, ledger
    return ledgers


def delivered(folder: Path) -> int:
    """Points of all processes; every one of them was delivered and nobody has one left."""
    ledgers = read(folder)
    for ledger in ledgers:
        assert ledger["accepted"] == ledger["acknowledged"] + ledger["unconfirmed"], ledger
    return sum(ledger["accepted"] for ledger in ledgers)
