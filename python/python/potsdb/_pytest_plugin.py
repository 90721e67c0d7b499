"""The pytest plugin: the fixture `tsd`. Loaded by pytest, through the entry point `pytest11`, and by nobody else."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import Receiver


@pytest.fixture
def tsd() -> Iterator[Receiver]:
    """A server for this test, which ends with it: `potsdb.testing.Receiver`. Send to `tsd.url`, ask `tsd.has(...)`."""
    # Sessions that do not use it pay nothing for it.
    from .testing import Receiver

    with Receiver() as receiver:
        yield receiver
