"""Send metrics to OpenTSDB, or anything that speaks its write protocol, without waiting for it.

    import potsdb

    metrics = potsdb.Client("localhost")
    requests = metrics.counter("web.requests", path="/login")
    requests.add()
    metrics.wait()

Programs written for potsdb 1.0.3 run unchanged. Beyond it: `Client.counter`, `gauge`,
`histogram`, `timer`, `series`, `send_frame`, `flush`, `stats`,
`close(timeout)`, `with`, and every option of the client as a keyword.
"""

from __future__ import annotations

from . import client, exit, instruments, records
from ._potsdb import (
    Counter,
    EndpointState,
    Gauge,
    Histogram,
    Instruments,
    SentFrame,
    Series,
    Stats,
    Timer,
    __version__,
)
from .client import Client
from .exceptions import Closed, ConfigError, InvalidOverflow, InvalidPoint, PotsdbError, QueueFull

__all__ = [
    "Client",
    "Closed",
    "ConfigError",
    "Counter",
    "EndpointState",
    "Gauge",
    "Histogram",
    "Instruments",
    "InvalidOverflow",
    "InvalidPoint",
    "PotsdbError",
    "QueueFull",
    "SentFrame",
    "Series",
    "Stats",
    "Timer",
    "__version__",
    "client",
    "instruments",
]

records.install()
exit.install()
