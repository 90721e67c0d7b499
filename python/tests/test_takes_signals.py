"""Signals: a program may be interrupted anywhere, may send from its handlers, and ends as it says; no point goes twice.

What waits for a signal gets it: the worker takes none. What ends a program within a wait is in test_delivers_at_exit.py.
"""

from __future__ import annotations

import collections
import signal

import pytest
from test_outlives_a_bad_server import receive  # noqa: F401

OPEN = """
    import os, signal, sys, threading, time
    import potsdb
    port = int(sys.argv[1])
    def open_client(**options):
        return potsdb.Client("127.0.0.1", port, 0, None, check_host=False, **options)
"""


def once(server) -> dict[str, int]:
    """Points per metric; a line that came twice is an error."""
    assert len(set(server.lines)) == len(server.lines)
    return dict(collections.Counter(line.split()[1] for line in server.text))


def test_the_readmes_line_delivers_on_sigterm(start, late_server):
    # More than the kernel holds for a server that does not read: the rest is drained at the end.
    script = OPEN + """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    client = open_client(close_grace=60)
    for i in range(200_000):
        client.send("m", i, a=1, timestamp=1500000000 + i)
    print("ready", flush=True)
    while True:
        signal.pause()
    """
    child = start(script, late_server.port)
    assert child.line() == "ready"
    child.process.send_signal(signal.SIGTERM)
    late_server.read_again()
    status, out, err = child.finish()
    assert (status, out, err) == (143, "", "")
    assert once(late_server) == {"m": 200_000}


def test_ctrl_c_in_the_midst_of_sending_loses_nothing(start, server):
    script = OPEN + """
    client = open_client()
    sent = 0
    try:
        while True:
            client.send("m", sent, a=1, timestamp=1500000000 + sent)
            sent += 1
            if sent == 1000:
                print("sending", flush=True)
    except KeyboardInterrupt:
        # It may have come after the point was taken and before it was counted here.
        print(sent)
    """
    child = start(script, server.port)
    assert child.line() == "sending"
    child.process.send_signal(signal.SIGINT)
    status, out, err = child.finish()
    assert (status, err) == (0, "")
    assert once(server)["m"] - int(out) in (0, 1)


@pytest.mark.parametrize("options", ["", "overflow='block', queue_points=50"])
def test_a_signal_handler_may_send_and_flush_whatever_it_interrupts(run, server, options):
    script = OPEN + f"""
    client = open_client({options})
    ticks = 0
    def tick(*_):
        global ticks
        # Counted first: the handler is interrupted as well.
        mine = ticks
        ticks += 1
        client.send("tick", mine, a=1, timestamp=1500000000 + mine)
        if mine % 20 == 0:
            assert client.flush(20)
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    sent = 0
    while ticks < 100:
        client.send("main", sent, a=1, timestamp=1500000000 + sent)
        sent += 1
        if sent % 1000 == 0:
            assert client.flush(20)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(sent, ticks)
    """
    out, err = run(script, server.port)
    sent, ticks = map(int, out.split())
    assert err == ""
    assert once(server) == {"main": sent, "tick": ticks}


def test_an_alarm_that_raises_ends_a_flush_and_nothing_else(run, server, stuck_server):
    script = OPEN + """
    stuck = potsdb.Client("127.0.0.1", int(sys.argv[2]), host_tag=None, check_host=False)
    client = open_client()
    class Late(Exception):
        pass
    def late(*_):
        raise Late
    signal.signal(signal.SIGALRM, late)
    stuck.send("m", 1, a=1)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        stuck.flush()
    except Late:
        print("late")
    # The one that waited is as good as before.
    assert stuck.send("m", 2, a=2) is not None and stuck.stats().pending == 2
    stuck.stop()
    client.send("m", 1, a=1, timestamp=1500000000)
    """
    out, err = run(script, server.port, stuck_server.port)
    assert (out, err) == ("late\n", "")
    assert once(server) == {"m": 1}


def test_os_exit_blocks_nobody_and_takes_nothing_from_the_children(start, late_server):
    script = OPEN + """
    client = open_client(close_grace=60)
    for i in range(200_000):
        client.send("parent", i, a=1, timestamp=1500000000 + i)
    child = os.fork()
    if child == 0:
        for i in range(1000):
            client.send("child", i, a=1, timestamp=1500000000 + i)
        sys.stdin.readline()
        sys.exit()
    print("leaving", flush=True)
    os._exit(3)
    """
    child = start(script, late_server.port)
    assert child.line() == "leaving"
    assert child.process.wait(10) == 3, "os._exit waits for nobody"
    late_server.read_again()
    child.say("go")
    child.finish()
    late_server.wait_until_left()
    seen = once(late_server)
    assert seen["child"] == 1000 and seen.get("parent", 0) < 200_000


def test_a_stopped_and_continued_program_delivers(start, server):
    script = OPEN + """
    client = open_client()
    for i in range(1000):
        client.send("before", i, a=1, timestamp=1500000000 + i)
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(1000):
        client.send("after", i, a=1, timestamp=1500000000 + i)
    """
    child = start(script, server.port)
    assert child.line() == "ready"
    child.process.send_signal(signal.SIGSTOP)
    child.say("go")
    child.process.send_signal(signal.SIGCONT)
    assert child.finish()[0] == 0
    assert once(server) == {"before": 1000, "after": 1000}


def test_a_broken_connection_is_no_sigpipe(run, receive):  # noqa: F811
    receiver = receive("--reset-after", "7:100000:10")
    script = OPEN + """
    # As `head` and many old daemons have it, and as C programs begin.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    client = open_client(backoff="1ms..20ms")
    for i in range(50_000):
        client.send("m", i, a=1, timestamp=1500000000 + i)
    stats = client.close(30)
    assert (stats.acknowledged, stats.pending) == (50_000, 0) and stats.connects > 1, stats.as_dict()
    """
    run(script, receiver.port)
    assert receiver.stored("m") == {1500000000 + i: i for i in range(50_000)}


def test_who_asks_for_a_signal_later_gets_it(start, server):
    # The mask is set when the worker runs already, and is the calling thread's alone: a worker that took signals would
    # be given this one, and it would end the program.
    script = OPEN + """
    client = open_client()
    client.send("m", 1, a=1, timestamp=1500000000)
    assert client.flush(20)
    wanted = {signal.SIGTERM, signal.SIGUSR1, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    for _ in wanted:
        print("masked", flush=True)
        sys.stdin.readline()
        print(int(signal.sigwait(wanted)), flush=True)
    """
    child = start(script, server.port)
    for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        assert child.line() == "masked"
        child.process.send_signal(each)
        child.say("go")
        assert child.line() == str(int(each))
    assert child.finish() == (0, "", "")
