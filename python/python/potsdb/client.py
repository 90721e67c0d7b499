"""The client, with what programs written for potsdb 1.0.3 look at.

The work is done by the extension module; here are the constructors, the ways to close, asyncio, and
`q`, `t` and `done` as 1.0.3 had them.
"""

from __future__ import annotations

from ._exit import cover, last_points
from ._potsdb import Client as _Base
from ._potsdb import Stats
from ._potsdb import options as _options
from ._records import closed
from ._shims import Queue, Thread

TYPE_CHECKING = False  # typing's, to checkers; to import it would cost more than this package
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any, overload

    from typing_extensions import Self, Unpack

    from ._keywords import Keywords, Options
    from ._potsdb import Barrier

__all__ = ["MPS_LIMIT", "Client", "Keywords", "Options", "describe_options"]

MPS_LIMIT = 0
"""Points per second written, by default: 0 is no limit. (The name is potsdb 1.0.3's.)"""


def __getattr__(name: str) -> Any:
    # They need `typing`, and nothing but checkers and annotations asks for them.
    if name in {"Keywords", "Options"}:
        from . import _keywords

        return getattr(_keywords, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Done:
    """`Client.done`, which is made when somebody asks for it: `threading` costs more than the rest of the package."""

    def __get__(self, client: Client | None, _: object = None) -> threading.Event:
        if client is None:
            raise AttributeError("type object 'Client' has no attribute 'done': each client has its own")
        import threading

        # One step: two threads that ask at once get the same one. From then on nobody asks here.
        done: threading.Event = vars(client).setdefault("done", threading.Event())
        if client._is_done:
            done.set()
        return done


if not TYPE_CHECKING:

    class Unpack:
        """`Unpack`, which is imported when somebody evaluates an annotation that has it."""

        def __class_getitem__(cls, name: str) -> object:
            from . import _keywords

            for module in ("typing", "typing_extensions"):
                try:
                    return __import__(module).Unpack[getattr(_keywords, name)]
                except (ImportError, AttributeError):  # Python 3.10 has it not
                    pass
            return object


class _Default(int):
    """An argument's default: equal to the same value given, but known from it, as a URL's options stand above it."""

    __slots__ = ()


class _DefaultSwitch(_Default):
    __slots__ = ()

    def __repr__(self) -> str:
        return repr(bool(self))


class Client(_Base):
    """Takes points on any thread and delivers them from a thread of its own.

    `host` is a name, an address, or a URL as `tsdb://host:4242?mps=500`; without it the environment variable
    `POTSDB_URL` has the URL. What is given as an argument goes before what the URL says, which goes before the
    defaults. A `port` beside a URL is for the hosts in it that name none; a host with another one is an error.

    The arguments up to `test_mode` are potsdb 1.0.3's: at most `qsize` points wait (then the oldest
    goes; 0: no limit), `host_tag` adds `host=` this machine's name (a string: that value; None:
    nothing), `mps` bounds the points written per second, `check_host` connects once, here and now,
    and raises what the socket raises, `test_mode` does everything but talk to the network.
    """

    done = _Done()
    """Set by `close`, by `wait`, and at the end of `with`."""

    _is_done = False
    _no_host_tag: str | None = None

    def __init__(
        self,
        host: str | None = None,
        port: int | str = _Default(4242),
        qsize: int | str = _Default(100000),
        host_tag: object = _DefaultSwitch(True),
        mps: float | str | None = _Default(MPS_LIMIT),
        check_host: object = _DefaultSwitch(True),
        test_mode: object = _DefaultSwitch(False),
        **options: Unpack["Options"],
    ) -> None:
        arguments = {
            "queue_points": qsize if _is_default(qsize) else max(int(qsize), 0),
            "host_tag": host_tag,
            "mps": mps,
            "check_host": check_host,
            "test_mode": test_mode,
        }
        keywords: dict[str, Any] = {name: given for name, given in arguments.items() if not _is_default(given)}
        keywords.update(options)
        self._open(_url(host), keywords, port=None if _is_default(port) else int(port), old=True)
        self._no_host_tag = "" if isinstance(host_tag, str) and host_tag == "" else None
        cover()

    @classmethod
    def from_url(cls, url: str, **options: Unpack["Keywords"]) -> Self:
        """Opens the client of a URL, `tsdb://host:4242?mps=500`; keywords override its query.

        Text means what it means there: `host_tag="false"` is no host tag, as `host_tag=False` and None are.
        """
        self = cls.__new__(cls)
        self._open(url, dict(options))
        cover()
        return self

    @classmethod
    def from_env(cls, **options: Unpack["Keywords"]) -> Self:
        """Opens the client that the environment variable `POTSDB_URL` describes."""
        self = cls.__new__(cls)
        self._open(None, dict(options))
        cover()
        return self

    log = _Base.send

    if TYPE_CHECKING:

        @overload
        def close(self, timeout: None = None) -> None: ...
        @overload
        def close(self, timeout: float) -> Stats: ...

    def close(self, timeout: float | None = None) -> Stats | None:
        """Stops accepting, and delivers what is queued.

        Without `timeout` it returns at once, as in potsdb 1.0.3, and the worker goes on until
        everything is delivered. With it, it waits for that at most `timeout` seconds, gives up the
        rest, and returns the final statistics.

        With a spool the rest is kept there, `spooled` in the statistics, and nobody waits for a server
        that is not to be had.
        """
        last_points(self)
        self._begin_close()
        # In this order: who makes it between the two sets it.
        self._is_done = True
        if "done" in vars(self):
            self.done.set()
        closed()
        return None if timeout is None else self._close(timeout, True)

    def wait(self) -> None:
        """Closes, and waits until everything is delivered, however long it takes; with a spool also while a server is there."""
        self.close()
        self._wait_closed(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()
        self._close(self._close_grace, False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await self._aclose(self._close_grace, False)

    async def aclose(self, timeout: float | None = None) -> Stats:
        """Closes like `close(timeout)`, and lets the event loop run meanwhile.

        Without `timeout` it waits until everything is delivered, however long that takes.
        """
        return await self._aclose(timeout, True)

    async def _aclose(self, timeout: float | None, told: bool) -> Stats:
        self.close()
        self._begin_close(timeout)
        await _poll(lambda: not self._is_running, timeout)
        return self._close(0.0, told)

    async def aflush(self, timeout: float | None = None) -> bool:
        """Waits like `flush`, and lets the event loop run meanwhile."""
        return await _reaches(self._barrier(), timeout)

    async def async_sync(self, timeout: float | None = None) -> bool:
        """Waits like `sync`, and lets the event loop run meanwhile. (`async` is Python's own word.)"""
        return await _reaches(self._sync_barrier(), timeout)

    @property
    def host(self) -> str:
        """The server's name or address."""
        return self._endpoint[0]

    @property
    def port(self) -> int:
        """The server's port."""
        return self._endpoint[1]

    @property
    def host_tag(self) -> str | None:
        """The value of the automatic `host` tag; where there is none, None or the empty string given."""
        return self._host_tag or self._no_host_tag

    @property
    def queued(self) -> int:
        """Points accepted so far, less those pushed out by a full queue."""
        stats = self.stats()
        return stats.accepted - stats.dropped_queue_full

    @property
    def q(self) -> Queue:
        """The queue, to be asked for its size."""
        return Queue(self)

    @property
    def t(self) -> Thread:
        """The worker, to be asked whether it is alive."""
        return Thread(self)


if not TYPE_CHECKING:
    Self = Client  # for annotations that are evaluated


def describe_options() -> str:
    """Every option: its name, its default, its meaning. It is part of `help(Client)`."""
    return "\n".join(
        f"{name}: {default}\n    {meaning}" if default else f"{name}\n    {meaning}"
        for name, default, meaning in _options()
    )


if Client.__doc__ is not None:  # python -OO
    Client.__doc__ += f"""
    The options are keywords, and the same names stand in a URL's query. A time is a number of seconds, text as "250ms", or
    a `timedelta`; a size is a number of bytes, or text as "4MiB". Behind a name stands the default, if there is one.
    `queue_points` is `qsize` here, and `check_host` is on here: it is off in `from_url` and `from_env`.

    {describe_options().replace(chr(10), chr(10) + "    ")}
    """


async def _reaches(barrier: Barrier, timeout: float | None) -> bool:
    await _poll(barrier.is_over, timeout)
    return barrier.is_reached()


async def _poll(reached: Callable[[], bool], timeout: float | None) -> bool:
    """Asks ever less often: what comes quickly is seen quickly, what takes long costs little."""
    # Programs that wait like this have it imported; for the others it would be nine tenths of `import potsdb`.
    import asyncio

    clock = asyncio.get_running_loop().time
    deadline = None if timeout is None else clock() + timeout
    pause = 0.001
    while not reached():
        left = pause if deadline is None else deadline - clock()
        if left <= 0:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.05)
    return True


def _url(host: str | None) -> str | None:
    if host is None or "://" in host:
        return host
    # Of an address in IPv6 potsdb 1.0.3 had no idea, nor of brackets around it.
    return f"tsdb://[{host}]" if host.count(":") > 1 and not host.startswith("[") else f"tsdb://{host}"


def _is_default(given: object) -> bool:
    return isinstance(given, _Default)
