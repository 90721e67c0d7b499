"""The binding takes and gives back as many references as it should: seen by an interpreter that counts them all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import potsdb

HAMMER = Path(__file__).with_name("hammer.py")


def test_none_is_kept_and_none_given_back_twice():
    debug = shutil.which("python3-dbg")
    if debug is None:
        pytest.skip("no debug build of Python (Debian: apt-get install python3-dbg)")
    # The module's ABI is the same in both builds; nothing else of this environment is imported.
    installed = Path(potsdb.__file__).parent.parent
    done = subprocess.run(
        [debug, "-B", str(HAMMER)], env={"PYTHONPATH": str(installed)}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "references" in done.stdout
