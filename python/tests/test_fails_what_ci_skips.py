"""The plugin no_skips.py: a run in CI cannot be green for want of something that is not installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_runs():
    pass

def test_lacks_something():
    pytest.skip("no debug build")

@pytest.fixture
def place():
    pytest.importorskip("no_module_has_this_name")

def test_has_a_fixture_that_lacks_something(place):
    pass

@pytest.mark.skipif(True, reason="not here")
def test_is_marked():
    pass

@pytest.mark.xfail(strict=True)
def test_fails_as_is_known():
    assert False
"""
MODULE = "import pytest\npytest.importorskip('no_module_has_this_name')\n"


def outcomes(folder: Path, source: str, **variables: str) -> tuple[int, str]:
    test = folder / "test_some.py"
    test.write_text(source)
    environment = {name: value for name, value in os.environ.items() if name != "POTSDB_CI"}
    environment |= {"PYTHONPATH": str(Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= variables
    command = [sys.executable, "-m", "pytest", "-p", "no_skips", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir"]
    done = subprocess.run([*command, folder, test], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_in_ci_a_skip_is_a_failure_with_its_reason(tmp_path):
    status, said = outcomes(tmp_path, TESTS, POTSDB_CI="1")
    assert status == 1
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in said, said
    for reason in ("no debug build", "could not import 'no_module_has_this_name'", "not here"):
        assert re.search(f"POTSDB_CI is set, and this was not run: .*{reason}", said), said


def test_in_ci_a_module_that_is_skipped_is_a_failure(tmp_path):
    status, said = outcomes(tmp_path, MODULE, POTSDB_CI="1")
    assert status != 0
    assert "POTSDB_CI is set, and this was not run" in said, said


@pytest.mark.parametrize("variable", ["", None])
def test_elsewhere_it_is_a_skip(tmp_path, variable):
    status, said = outcomes(tmp_path, TESTS, **({} if variable is None else {"POTSDB_CI": variable}))
    assert status == 0
    assert "1 passed, 3 skipped, 1 xfailed" in said, said
