"""Send metrics to OpenTSDB, or anything that speaks its write protocol, without waiting for it.

    import potsdb

    metrics = potsdb.Client("localhost")
    requests = metrics.counter("web.requests", path="/login")
    requests.add()
    metrics.wait()

Programs written for potsdb 1.0.3 run unchanged. Beyond it: `Client.counter`, `gauge`,
`histogram`, `timer`, `series`, `send_frame`, `flush`, `sync`, `stats`,
`close(timeout)`, `with`, and every option of the client as a keyword.

What a program counts with another library: `potsdb.prometheus`, `potsdb.otel`, `potsdb.statsd`, `potsdb.logs`.
"""

from . import _conflict, _exit, _potsdb, _records, client, instruments
from ._potsdb import (
    Counter,
    EndpointState,
    Gauge,
    Histogram,
    Instruments,
    SentFrame,
    Series,
    SpoolState,
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
    "SpoolState",
    "Stats",
    "Timer",
    "__version__",
    "client",
    "instruments",
]


def _lean(table: object, columns: list[str]) -> object:
    from ._tables import lean  # only programs that send tables need it

    return lean(table, columns)


_potsdb.install(
    invalid_point=InvalidPoint,
    invalid_overflow=InvalidOverflow,
    closed=Closed,
    queue_full=QueueFull,
    config_error=ConfigError,
    report=_records.report,
    refused=_records.invalid,
    lean=_lean,
    measured=instruments._measured,
)
_records.install()
_exit.install()
_conflict.warn()
