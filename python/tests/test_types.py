"""The stubs are the module, and three type checkers find the programs of users well typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import potsdb

PROJECT = Path(__file__).parent.parent


def check(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_says_it_is_typed():
    assert (Path(potsdb.__file__).parent / "py.typed").exists()


def test_stubtest_finds_the_stubs_right():
    check("mypy.stubtest", "potsdb", "--mypy-config-file", "pyproject.toml", "--allowlist", "tests/stubtest-allowlist.txt", "--ignore-unused-allowlist")


def test_mypy_is_content():
    check("mypy")


def test_pyright_is_content():
    check("pyright")
