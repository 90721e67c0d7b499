"""A program pays for what it uses: importing potsdb imports nothing else, nor does sending, and no record is lost for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from server import PATIENCE

import potsdb

# Every program has loaded the first two, and the other two are part of every interpreter.
HEAD = """
import os, sys, atexit, time
sys.path.append(sys.argv[1])
before = set(sys.modules)
def others():
    return [name for name in sys.modules if name not in before and name.split(".")[0] not in ("potsdb", "__future__")]
"""

SEND = """
import potsdb
client = potsdb.Client("127.0.0.1", int(sys.argv[2]), host_tag=None, check_host=False, settle=1.5)
client.send("m", 1, a=1, timestamp=1500000000)
client.series("s", a=1).send(1.5, 1500000000)
client.flush(20)
client.stats().as_dict()
"""

REFUSED = """
client.send("m", 1, a="b c")
for level in (10, 20, 30, 40):
    potsdb._records.report(level, f"level {level}")
"""


@pytest.fixture
def bare(server):
    """Runs a script in an interpreter without `site` and what that has loaded: gives its output and its errors."""

    def bare(script: str) -> tuple[str, str]:
        place = Path(potsdb.__file__).parent.parent
        command = [sys.executable, "-I", "-S", "-c", HEAD + script, str(place), str(server.port)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert child.returncode == 0, child.stderr
        return child.stdout, child.stderr

    return bare


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import potsdb", id="that-imports-it"),
        pytest.param(SEND, id="that-sends"),
        pytest.param(SEND + "with client: pass", id="that-closes"),
        pytest.param(SEND + REFUSED, id="whose-points-are-refused"),
        # Python 3.13 loads `warnings` itself, to warn of every fork of a process with threads.
        pytest.param(SEND + "before.add('warnings')\nif os.fork() == 0: os._exit(0)", id="that-forks"),
        pytest.param(SEND + "import atexit; atexit._run_exitfuncs()", id="that-ends"),
    ],
)
def test_a_program_loads_no_module_beside_potsdb(bare, program):
    out, _ = bare(program + "\nprint(others())\n")
    assert out == "[]\n"


@pytest.mark.parametrize("beside", ["potsdb-1.0.3.dist-info", "potsdb-1.0.3-py{}.{}.egg-info".format(*sys.version_info)])
def test_potsdb_1_0_3_in_the_same_place_is_told_once_at_the_import(tmp_path, beside):
    shutil.copytree(Path(potsdb.__file__).parent, tmp_path / "potsdb", copy_function=os.symlink)
    script = tmp_path / "program.py"
    script.write_text("import potsdb\nimport potsdb.client\nfrom potsdb import Client\nprint(potsdb.__version__)\n")

    def run(*options: str) -> tuple[int, str, str]:
        child = subprocess.run([sys.executable, "-I", *options, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport program"],
                               capture_output=True, text=True, timeout=PATIENCE)
        return child.returncode, child.stdout, child.stderr

    assert run() == (0, f"{potsdb.__version__}\n", "")
    (tmp_path / beside).mkdir()
    status, out, err = run()
    assert (status, out) == (0, f"{potsdb.__version__}\n")
    assert err.count("RuntimeWarning") == 1 and f"{script}:1: RuntimeWarning: potsdb-1.0.3 is installed in {tmp_path}" in err
    assert "pip uninstall potsdb" in err
    assert run("-W", "ignore")[2] == ""


def test_the_extension_module_imports_nothing_of_the_package(bare):
    out, _ = bare("""
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader("_potsdb", EXTENSION)
module = loader.create_module(ModuleSpec("_potsdb", loader, origin=EXTENSION))
loader.exec_module(module)
client = module.Client()
client._open("tsdb://127.0.0.1:1?test_mode=true", {})
client.send("m", 1, a=1)
try:
    client.send("a b", 1, a=1)
except ImportError as error:
    print(error)
print("potsdb" in sys.modules)
""".replace("EXTENSION", repr(potsdb._potsdb.__file__)))
    assert out == "potsdb._potsdb is used without its package: import potsdb\nFalse\n"


def test_without_logging_standard_error_gets_what_logging_would_have_written_there(bare):
    _, loaded = bare("import logging" + SEND + REFUSED)
    _, absent = bare(SEND + REFUSED)
    assert absent == loaded
    assert loaded.splitlines()[1:] == ["level 30", "level 40"] and "'m' not sent" in loaded.splitlines()[0]


def test_a_program_without_standard_error_is_not_disturbed_by_a_record(bare):
    assert bare(SEND + "sys.stderr = None" + REFUSED) == ("", "")
    assert bare(SEND + "sys.stderr.close()" + REFUSED) == ("", "")


def test_logging_that_is_imported_later_gets_the_records(bare):
    script = SEND + """
import logging
logging.basicConfig(format="%(name)s %(levelname)s %(funcName)s: %(message)s", level="DEBUG", stream=sys.stdout)
""" + REFUSED
    out, err = bare(script)
    first, *more = out.splitlines()
    assert first.startswith("potsdb WARNING <module>: point of 'm' not sent")
    assert more == [f"potsdb {name} <module>: level {level}" for level, name in
                    [(10, "DEBUG"), (20, "INFO"), (30, "WARNING"), (40, "ERROR")]]
    assert err == ""


def test_a_record_in_the_middle_of_the_import_of_logging_is_written_at_once(bare):
    # As from a destructor or a signal handler: this finder is asked for what `logging` imports.
    script = SEND + """
class Finder:
    def find_spec(self, name, *_):
        if name == "traceback" and "logging" in sys.modules:
            client.send("m", 1, a="b c")
            print("sent", flush=True)
sys.meta_path.insert(0, Finder())
import logging
client.send("n", 1, a="b c")
"""
    out, err = bare(script)
    assert out == "sent\n"
    first, second = err.splitlines()
    assert "'m' not sent" in first and "'n' not sent" in second
