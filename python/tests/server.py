"""A server that collects lines: plain sockets and threads, knowing nothing of the code under test.

It answers `version` as OpenTSDB 2.4.1 does, or says nothing at all (`answers=False`), or does not
even read (`reads=False`). Tests wait for what arrived, never for time to pass.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time

VERSION = (
    b"net.opentsdb.tools 2.4.1 built at revision eb125a342 (MINT)\n"
    b"Built on 2021/09/08 03:26:53 +0000 by nobody@localhost:/tmp\n"
)

PATIENCE = 30.0
"""Seconds a wait may take before the test has failed: a bound, never a pause."""


class Server:
    def __init__(
        self,
        *,
        answers: bool = True,
        reads: bool = True,
        refuse: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        login: bytes | None = None,
    ) -> None:
        self.answers, self.reads, self.refuse, self.tls, self.login = answers, reads, refuse, tls, login
        self.lines: list[bytes] = []
        """The `put` lines that arrived whole, newline included, in the order of arrival."""
        self.connections = 0
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def text(self) -> list[str]:
        return [line.decode() for line in self.lines]

    def wait_for(self, count: int) -> list[bytes]:
        """The lines, as soon as there are `count` of them."""
        return self.wait_until(lambda: len(self.lines) >= count)

    def wait_until(self, reached) -> list[bytes]:
        with self._changed:
            assert self._changed.wait_for(reached, PATIENCE), f"{len(self.lines)} lines arrived: {self.lines[-3:]}"
            return list(self.lines)

    def wait_until_left(self) -> None:
        """Waits until every client has hung up."""
        self.wait_until(lambda: self.connections > 0 and not self._open)

    def read_again(self) -> None:
        """Ends `reads=False`."""
        with self._changed:
            self.reads = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.reads = True
            self._changed.notify_all()
        # Closing alone would leave accept() waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self.tls is not None:
            self._open.discard(connection)
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except (OSError, ssl.SSLError):
                return
            self._open.add(connection)
        with self._changed:
            self.connections += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.reads)
        rest = b""
        welcome = self.login is None
        with contextlib.suppress(OSError), connection:
            while received := connection.recv(1 << 16):
                *whole, rest = (rest + received).split(b"\n")
                if not welcome and whole:
                    welcome = whole.pop(0) == self.login
                    connection.sendall(b"AUTH_SUCCESS\r\n" if welcome else b"AUTH_FAIL\r\n")
                    if not welcome:
                        continue
                puts = [line + b"\n" for line in whole if line.startswith(b"put ")]
                with self._changed:
                    self.lines += puts
                    self._changed.notify_all()
                answer = b""
                for line in whole:
                    if self.refuse is not None and self.refuse in line:
                        answer += b"put: illegal argument: refused by the test\n"
                    if line == b"version":
                        answer += VERSION
                if self.answers and answer:
                    connection.sendall(answer)
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()


def until(reached, patience: float = PATIENCE) -> None:
    """Asks until it is so: for what tells nobody when it happens, as the end of a process that is no child."""
    pause, deadline = threading.Event(), time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {patience} s"
        pause.wait(0.01)
