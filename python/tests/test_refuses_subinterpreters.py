"""In a sub-interpreter the import is refused in words, and the main interpreter's client knows nothing of it."""

from __future__ import annotations

OTHERS = """
import sys
try:
    import _interpreters as others  # Python 3.13
except ImportError:
    import _xxsubinterpreters as others

def within(code):
    other = others.create("legacy") if hasattr(others, "exec") else others.create()
    try:
        failed = others.exec(other, code) if hasattr(others, "exec") else others.run_string(other, code)
        return getattr(failed, "formatted", None)
    except getattr(others, "RunFailedError", ()) as error:
        return str(error)
    finally:
        others.destroy(other)
"""


def test_the_import_is_refused_before_anything_is_done(run):
    script = OTHERS + """
print(within("import potsdb"))
print(within("try: import potsdb\\nexcept ImportError: pass\\nimport sys; assert 'potsdb' not in sys.modules"))
# The other way round: what was refused first does not keep the main interpreter from it.
import potsdb
client = potsdb.Client("127.0.0.1", 1, check_host=False, test_mode=True, host_tag=None)
try:
    client.send("m", 1)
except potsdb.InvalidPoint as error:
    print("caught", error)
"""
    out, err = run(script)
    refused, again, caught = out.splitlines()
    # An interpreter with a lock of its own refuses every module that does not say it is made for that.
    assert "sub-interpreter" in refused and "mod_wsgi" in refused or "does not support loading in subinterpreters" in refused
    assert again == "None" and "Need at least one tag" in caught and err == ""


def test_the_end_of_a_sub_interpreter_leaves_the_main_ones_client_alone(run, server):
    script = OTHERS + """
import potsdb
client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
client.send("m", 1, a=1)
print(within("import atexit; atexit.register(lambda: None)\\ntry: import potsdb\\nexcept ImportError: pass"))
client.send("m", 2, b=1)
print(client.close(20))
"""
    out, err = run(script, server.port)
    assert out.splitlines() == ["None", "2 accepted: 2 acknowledged"] and err == ""
