"""A program that just ends has delivered: whatever way it ends, and within the grace if the server does not."""

from __future__ import annotations

import signal

import pytest

FILL = """
    import os, sys, signal
    import potsdb
    port, points = int(sys.argv[1]), int(sys.argv[2])
    client = potsdb.Client("127.0.0.1", port, host_tag="h", check_host=False)
    for i in range(points):
        client.send("m", i, timestamp=1500000000 + i)
"""


def grace(script: str, seconds: float) -> str:
    """The same, with a client that has so long at the end."""
    return script.replace("check_host=False", f"check_host=False, close_grace={seconds}")


# The announcing thread gets the interpreter lock only when the wait has released it: so whoever reads
# its line knows that the main thread is inside the wait.
ANNOUNCE = FILL + """
    import atexit, threading
    gate = threading.Lock()
    gate.acquire()
    def announce():
        gate.acquire()
        print("waiting", flush=True)
    threading.Thread(target=announce, daemon=True).start()
    sys.setswitchinterval(1000)
"""
LEAVE = ANNOUNCE + """
    atexit.register(gate.release)
"""


@pytest.mark.parametrize("before", ["", "del client", "client.close()"])
def test_what_is_still_queued_at_the_end_is_delivered(start, late_server, before):
    # More than the kernel holds: without the hook at exit, most of it would be lost.
    script = grace(LEAVE, 60).replace("check_host=False", "check_host=False, qsize=0") + f"    {before}\n"
    child = start(script, late_server.port, 200000)
    assert child.line() == "waiting"
    late_server.read_again()
    status, out, err = child.finish()
    assert (status, out, err) == (0, "", "")
    assert len(late_server.wait_for(200000)) == 200000


def test_nothing_is_lost_without_wait_or_close(run, server):
    out, err = run(FILL, server.port, 20000)
    assert (out, err) == ("", "")
    assert len(server.lines) == 20000


def test_nothing_is_lost_at_a_server_that_never_answers(run, silent_server):
    out, err = run(FILL, silent_server.port, 20000)
    assert (out, err) == ("", "")
    assert len(silent_server.wait_for(20000)) == 20000


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(0)",
        "del client",
        "client.close()",
        "client.wait()",
        "series = client.series('m', s=1); del client; [series.send(i, 1500000000 + i) for i in range(10)]; del series",
        "import threading; threading.Thread(target=lambda: [client.send('t', i, timestamp=1500000000 + i) for i in range(10)]).start()",
        "import atexit; atexit.register(lambda: client.send('late', 1))",
        "client.itself = client; del client",
    ],
)
def test_nothing_is_lost_however_the_program_ends(run, server, ending):
    out, err = run(FILL + f"\n    {ending}\n", server.port, 5000)
    assert (out, err) == ("", "")
    assert len(server.lines) == 5000 + (10 if "range(10)" in ending else "late" in ending)


def test_an_uncaught_exception_delivers_too(start, server):
    status, _, err = start(FILL + "\n    raise LookupError\n", server.port, 5000).finish()
    assert status == 1 and "LookupError" in err and "potsdb:" not in err
    assert len(server.lines) == 5000


def test_a_server_that_never_reads_costs_the_grace_and_one_line(run, stuck_server):
    out, err = run(grace(FILL, 0.3), stuck_server.port, 100000)
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("potsdb: ") and "of 100000 points not delivered" in line and f"127.0.0.1:{stuck_server.port}" in line


def test_the_grace_is_that_of_each_client(start, stuck_server):
    # The default would take longer than this waits.
    status, _, err = start(grace(FILL, 0), stuck_server.port, 100000).finish(4.5)
    assert status == 0 and "of 100000 points not delivered" in err


def test_a_client_without_grace_takes_none_from_the_others(start, stuck_server, late_server):
    script = grace(ANNOUNCE, 60) + """
    other = potsdb.Client("127.0.0.1", int(sys.argv[3]), host_tag="h", check_host=False, close_grace=0)
    [other.send("m", i, timestamp=1500000000 + i) for i in range(100000)]
    atexit.register(gate.release)
    """
    child = start(script, late_server.port, 50000, stuck_server.port)
    assert child.line() == "waiting"
    late_server.read_again()
    status, _, err = child.finish()
    assert status == 0 and " of 150000 points not delivered" in err
    assert len(late_server.wait_for(50000)) == 50000


def test_the_grace_is_five_seconds_unless_it_is_said(offline):
    assert offline._close_grace == 5.0


def test_a_server_that_is_not_there_costs_the_grace_and_one_line(run):
    out, err = run(grace(FILL, 0.2), 1, 100)
    lines = [line for line in err.splitlines() if line.startswith("potsdb: ")]
    assert lines == ["potsdb: 100 of 100 points not delivered: 100 still unanswered at exit (tsdb://127.0.0.1:1)"]


def test_points_given_up_before_are_said_at_exit(run, stuck_server):
    script = FILL + """
    client.close()
    client._close(0.0, False)
"""
    _, err = run(script, stuck_server.port, 1000)
    lines = [line for line in err.splitlines() if line.startswith("potsdb: ")]
    assert len(lines) == 1 and "dropped" in lines[0]


def test_who_got_the_statistics_is_not_told_twice(run, stuck_server):
    _, err = run(FILL + "\n    client.close(0.01)\n", stuck_server.port, 1000)
    assert not [line for line in err.splitlines() if line.startswith("potsdb: ")]


def test_stop_means_silence(run, stuck_server):
    _, err = run(FILL + "\n    client.stop()\n", stuck_server.port, 1000)
    assert not [line for line in err.splitlines() if line.startswith("potsdb: ")]


def test_test_mode_means_silence(run):
    script = """
    import potsdb
    client = potsdb.Client("127.0.0.1", 1, check_host=False, test_mode=True, mps=0.001)
    for i in range(100):
        client.send("m", i, timestamp=1500000000 + i)
    """
    assert run(script) == ("", "")


@pytest.mark.parametrize("imports", ["import logging.handlers, potsdb", "import potsdb, logging.handlers"])
def test_the_last_records_come_before_logging_ends(run, imports):
    # The line that comes first at exit is the program's own, then the last records, then the end of `logging`.
    script = f"""
    {imports}
    import atexit, sys
    class Handler(logging.StreamHandler):
        def close(self):
            print("closed")
    logging.getLogger().addHandler(Handler(sys.stdout))
    client = potsdb.Client("127.0.0.1", 1, check_host=False, test_mode=True)
    atexit.register(print, "the program's own")
    # What a worker reports only now, without one.
    potsdb._exit.drain_all = lambda: potsdb._records.report(30, "the last record")
    """
    out, err = run(script)
    assert (out.splitlines(), err) == (["the program's own", "the last record", "closed"], "")


def test_a_closed_standard_error_is_no_trouble(run, stuck_server):
    script = grace(FILL, 0.1) + "\n    sys.stderr.close()\n"
    run(script, stuck_server.port, 100)


def test_a_daemon_thread_that_goes_on_sending_gets_no_exception(run, server):
    script = FILL + """
    import threading
    running = threading.Event()
    def work():
        i = 0
        while True:
            i += 1
            client.send("daemon", i, timestamp=1600000000 + i)
            running.set()
    threading.Thread(target=work, daemon=True).start()
    running.wait()
    """
    _, err = run(script, server.port, 1000)
    assert "Traceback" not in err
    assert len([line for line in server.lines if line.startswith(b"put m ")]) == 1000


WAIT = ANNOUNCE + """
    gate.release(); {wait}
    print("never reached", flush=True)
"""


@pytest.mark.parametrize("wait", ["client.wait()", "client.flush()", "client.close(1000)", "client.t.join()"])
def test_ctrl_c_ends_a_wait_and_the_exit_only_reports(start, stuck_server, wait):
    child = start(WAIT.replace("{wait}", wait), stuck_server.port, 100000)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGINT)
    status, out, err = child.finish(5)
    assert status != 0 and out == "" and "KeyboardInterrupt" in err
    assert err.splitlines()[-1].startswith("potsdb: ")


def test_ctrl_c_ends_a_send_that_waits_for_room(start, stuck_server):
    script = WAIT.replace("check_host=False", "check_host=False, overflow='block', mps=0.001, qsize=10000")
    # Before the worker has taken the one point that `mps` lets it take, a send would wait for that and no longer.
    script = script.replace("gate.release();", "while client.stats().queued == 10000: pass\n    gate.release();")
    child = start(script.replace("{wait}", "[client.send('b', i, timestamp=1600000000 + i) for i in range(100000)]"), stuck_server.port, 10000)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGINT)
    status, out, err = child.finish(5)
    assert status != 0 and out == "" and "KeyboardInterrupt" in err


def test_sigterm_ends_a_wait(start, stuck_server):
    child = start(WAIT.replace("{wait}", "client.wait()"), stuck_server.port, 100000)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGTERM)
    status, out, _ = child.finish(5)
    assert (status, out) == (-signal.SIGTERM, "")


def test_sigterm_turned_into_an_exit_ends_a_wait(start, stuck_server):
    script = WAIT.replace("{wait}", "client.wait()").replace("import potsdb", "import potsdb\n    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))")
    child = start(script, stuck_server.port, 100000)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGTERM)
    status, _, err = child.finish(5)
    assert status == 143 and "potsdb: " in err


def test_ctrl_c_ends_the_grace(start, stuck_server):
    script = grace(ANNOUNCE, 1000) + "    atexit.register(gate.release)\n"
    child = start(script, stuck_server.port, 100000)
    assert child.line() == "waiting"
    child.process.send_signal(signal.SIGINT)
    _, _, err = child.finish(5)
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("potsdb: ")


def test_ctrl_c_ends_a_constructor_that_cannot_connect(start):
    # TEST-NET-1 answers nobody; where the network refuses at once, that is an end as well.
    script = """
    import potsdb
    print("connecting", flush=True)
    potsdb.Client("192.0.2.1", 4242)
    """
    child = start(script)
    assert child.line() == "connecting"
    child.process.send_signal(signal.SIGINT)
    status, _, err = child.finish(5)
    # Where the network refused at once, the signal may meet Python while it prints that, and cut the text.
    assert status != 0 and err


def test_python_without_asserts_still_refuses(run, server):
    script = """
    import sys
    import potsdb
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None)
    for call in [lambda: client.send("a b", 1, a=1), lambda: client.send("m", 1), lambda: (client.close(), client.send("m", 1, a=1))]:
        try:
            call()
        except AssertionError as error:
            print(type(error).__name__)
    """
    out, _ = run(script, server.port, options=("-O",))
    assert out.split() == ["InvalidPoint", "InvalidPoint", "Closed"]


def test_an_interpreter_in_development_mode_has_nothing_to_say(run, server):
    out, err = run(FILL, server.port, 1000, options=("-X", "dev", "-W", "error"))
    assert (out, err) == ("", "")
