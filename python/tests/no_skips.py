"""Under POTSDB_CI a test that is skipped has failed, with the reason that it gives.

On somebody's own machine a missing program costs the tests that need it. Where a green run is believed, it must not.
conftest.py takes the hooks from here; scripts/test-network loads this file as a plugin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not os.environ.get("POTSDB_CI") or not report.skipped or hasattr(report, "wasxfail"):
        return
    said = report.longrepr
    reason = said[2] if isinstance(said, tuple) else str(said)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: POTSDB_CI is set, and this was not run: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _fail(report)
    return report
