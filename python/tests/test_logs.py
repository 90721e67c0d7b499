"""The handler that counts records: every one but potsdb's own, without raising, waiting or growing."""

from __future__ import annotations

import logging
import threading

import pytest
from server import PATIENCE
from test_instruments import stored

import potsdb
from potsdb.logs import Handler


@pytest.fixture
def logger():
    """A logger whose handlers are taken off in the end."""
    logger = logging.getLogger("test_logs")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    for name, each in list(logging.root.manager.loggerDict.items()):
        if name.startswith("test_logs") and isinstance(each, logging.Logger):
            each.handlers.clear()
            each.setLevel(logging.NOTSET)
    logger.propagate = True


def test_records_are_counted_by_level_and_logger(client, server, logger):
    logger.addHandler(Handler(client, interval=3600))
    child = logger.getChild("login")
    for _ in range(3):
        child.error("x")
    logger.info("y")
    logger.log(15, "z")
    client.flush(PATIENCE)
    assert stored(server) == {
        "log.records level=error logger=test_logs.login": [0, 3],
        "log.records level=info logger=test_logs": [0, 1],
        "log.records level=level_15 logger=test_logs": [0, 1],
    }


def test_levels_and_filters_hold(client, server, logger):
    handler = Handler(client, "records", "ERROR", interval=3600)
    handler.addFilter(lambda record: record.getMessage() != "not me")
    logger.addHandler(handler)
    logger.info("too low")
    logger.error("not me")
    logger.error("me")
    client.flush(PATIENCE)
    assert stored(server) == {"records level=error logger=test_logs": [0, 1]}


def test_names_beyond_the_bound_are_others(client, server, logger):
    handler = Handler(client, max_loggers=2, interval=3600)
    logger.addHandler(handler)
    for n in range(50):
        logger.getChild(f"n{n}").error("x")
        logger.log(30 + n % 5, "y")
    client.flush(PATIENCE)
    found = stored(server)
    assert {name.split("logger=")[1] for name in found} == {"test_logs.n0", "test_logs", "other"}
    assert len({name.split("level=")[1].split()[0] for name in found}) == 3
    assert sum(values[-1] for values in found.values()) == 100
    assert len(handler._counters) <= 9


def test_potsdbs_own_records_are_not_counted_and_feed_nothing(server, client):
    handler = Handler(client, interval=3600)
    own = [logging.getLogger(name) for name in ("potsdb", "potsdb.child", "potsdbs")]
    for each in own:
        each.addHandler(handler)
    try:
        client.send("m", 1, a="b c")
        for each in own:
            each.error("x")
    finally:
        for each in own:
            each.removeHandler(handler)
    client.flush(PATIENCE)
    assert stored(server) == {"log.records level=error logger=potsdbs": [0, 1]}


def test_nothing_is_raised_whatever_happens(client, logger, caplog):
    handler = Handler(client)
    logger.addHandler(handler)
    logger.addHandler(Handler(client, "no tags and no host", level=logging.NOTSET))
    logger.error("x")
    handler.handle(logging.makeLogRecord({"name": "x", "msg": "%d", "args": ("of another type",)}))
    handler.addFilter(lambda record: 1 / 0)
    logger.error("x")
    client.close(PATIENCE)
    handler.filters.clear()
    logger.error("after the close")
    handler.handle(logging.makeLogRecord({"name": None, "levelname": 7}))
    handler.emit(object())


def test_a_program_that_logs_while_it_is_closed_and_ends_has_nothing_to_say(run, server):
    script = """
    import logging, sys, atexit
    import potsdb
    from potsdb.logs import Handler
    client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag=None, check_host=False)
    logging.getLogger().addHandler(Handler(client, interval=3600))
    logging.error("first")
    atexit.register(logging.error, "last")
    """
    _, err = run(script, server.port)
    assert err == "" and stored(server) == {"log.records level=error logger=root": [0, 2]}


def test_no_thread_is_held_by_another_one(client, logger):
    handler = Handler(client)
    logger.addHandler(handler)
    inside, leave = threading.Event(), threading.Event()

    def slow(record: logging.LogRecord) -> bool:
        if record.getMessage() == "slow":
            inside.set()
            leave.wait(PATIENCE)
        return True

    handler.addFilter(slow)
    thread = threading.Thread(target=logger.error, args=("slow",))
    thread.start()
    assert inside.wait(PATIENCE)
    logger.error("quick")
    assert handler.lock is None and not leave.is_set()
    leave.set()
    thread.join()


def test_a_client_that_logs_while_it_counts_does_not_come_back(server):
    # Each update is refused, and each refusal is a record of potsdb itself.
    with potsdb.Client("127.0.0.1", server.port, host_tag=None, check_host=False) as client:
        handler = Handler(client, "a metric")
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            for _ in range(5):
                logging.getLogger("x").error("y")
                client.send("m", 1, a="b c")
        finally:
            root.removeHandler(handler)
