"""Which one of several processes pushes what they keep in one folder, as those of PROMETHEUS_MULTIPROC_DIR do.

The one that holds the lock of a file there. It keeps it until it ends, however it ends; then the next one that asks gets it.
The lock is of the kind that `fork` does not inherit.

A process that ends while another holds the lock must not push, and must not be forgotten: its last counts are in the folder,
and the holder may have read it before. So it leaves a mark first. A holder that ends looks for new marks after it gave
the lock back, and pushes again if there are any: whoever came later got the lock itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable


class Turns:
    """The turns of those that push a folder to one server: for each server there is one that does."""

    def __init__(self, folder: str, server: str) -> None:
        name = os.path.join(folder, f"potsdb.{server.replace('/', '_')}")
        self._path, self._marks = f"{name}.lock", f"{name}.marks"
        self._file: int | None = None

    def take(self) -> bool:
        """Whether this process is the one that pushes."""
        import fcntl  # which systems without fork have not

        if self._file is not None and not self._is_current(self._file):
            # Somebody has cleared the folder. The others lock the new file.
            os.close(self._file)
            self._file = None
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(file))
        except OSError:
            return False

    def last(self) -> int:
        """The time of the last push of any process."""
        assert self._file is not None, "the lock is held"
        return int(os.pread(self._file, 20, 0) or 0)

    def done(self, at: int) -> None:
        """Leaves the time of a push for the next one that pushes."""
        assert self._file is not None, "the lock is held"
        os.pwrite(self._file, b"%20d" % at, 0)

    def finish(self, push: Callable[[], int]) -> int:
        """Makes the last push of this process, or leaves it to the one whose turn it is."""
        marks = os.open(self._marks, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(marks, b".")
            points = 0
            while self.take():
                before = os.fstat(marks).st_size
                points += push()
                self._give_back()
                if os.fstat(marks).st_size == before:
                    break
            return points
        finally:
            os.close(marks)

    def _give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
