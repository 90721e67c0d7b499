"""Every option is a keyword, in the forms Python people write; a wrong one says what is right."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

import potsdb
from potsdb import _potsdb
from potsdb.client import Keywords, Options


def make(**options) -> potsdb.Client:
    return potsdb.Client("localhost", check_host=False, test_mode=True, **options)


def test_the_typed_keywords_are_the_options_of_the_client():
    assert set(Keywords.__annotations__) | set(Options.__annotations__) == {name for name, _, _ in _potsdb.options()}


def test_numbers_texts_durations_and_mappings_are_taken():
    client = make(
        overflow="block:1.5s",
        max_tags=4,
        settle=timedelta(seconds=1.5),
        answer_timeout=2,
        write_timeout="250ms",
        queue_bytes="2MiB",
        tags={"dc": "x,y", "rack": 5},
        prefix="my.",
        server="opentsdb",
        repeats="keep",
    )
    line = client.send("m", 1, a=1, host="h", timestamp=1500000000)
    assert line is not None and line.startswith("put my.m 1500000000 1 a=1 host=h dc=x,y rack=5")
    assert client.send("m", 1, a=1, timestamp=1500000000) is not None
    client.stop()


def test_milliseconds_are_an_option():
    client = make(precision="milliseconds")
    assert len(client.send("m", 1).split()[2]) == 13
    client.stop()


def test_none_is_the_default():
    client = make(settle=None, tags=None, server=None)
    assert client.send("m", 1, timestamp=1500000000, host="h") == "put m 1500000000 1 host=h\n"
    client.stop()


def test_an_unknown_keyword_is_a_type_error_that_suggests_the_nearest():
    with pytest.raises(TypeError, match="overflow"):
        make(overflaw="block")
    with pytest.raises(TypeError, match="zzzzzz"):
        make(zzzzzz=1)


@pytest.mark.parametrize("wrong", [dict(overflow="sometimes"), dict(max_tags="x"), dict(settle=-1), dict(tags="x"), dict(mps=-1), dict(connections=0), dict(write_timeout=timedelta()), dict(mps=float("nan"))])
def test_a_wrong_value_is_a_config_error_that_names_the_option(wrong):
    with pytest.raises(potsdb.ConfigError, match=next(iter(wrong))) as raised:
        make(**wrong)
    assert isinstance(raised.value, ValueError)


def test_an_illegal_tag_of_every_point_is_a_config_error():
    with pytest.raises(potsdb.ConfigError):
        make(tags={"a": "b c"})


def test_a_url_opens_a_client(server):
    client = potsdb.Client.from_url(f"tsdb://127.0.0.1:{server.port}?host_tag=web&repeats=keep", prefix="p.")
    assert (client.host, client.port, client.host_tag) == ("127.0.0.1", server.port, "web")
    assert client.send("m", 1, timestamp=1500000000) == "put p.m 1500000000 1 host=web\n"
    assert client.close(10).delivered == 1


@pytest.mark.parametrize(("given", "tag"), [("false", None), (False, None), (None, None), ("", None), ("web", "web"), (5, "5")])
def test_text_means_what_it_means_in_a_url(given, tag):
    assert potsdb.Client.from_url("tsdb://localhost?test_mode=true", host_tag=given).host_tag == tag
    if given is not None:
        text = str(given).lower()
        assert potsdb.Client.from_url(f"tsdb://localhost?test_mode=true&host_tag={text}").host_tag == tag


@pytest.mark.parametrize("given", [True, "true"])
def test_the_machines_name_is_true_in_either_form(given):
    client = potsdb.Client.from_url("tsdb://localhost?test_mode=true&host_tag=false", host_tag=given)
    assert client.host_tag == socket.gethostname()


def test_an_argument_of_1_0_3_means_what_it_meant_there():
    assert make(host_tag="false").host_tag == "false"


def test_the_first_argument_may_be_a_url(server):
    client = potsdb.Client(f"tsdb://127.0.0.1:{server.port}")
    assert (client.host, client.port) == ("127.0.0.1", server.port)
    client.stop()


URL = "tsdb://localhost?host_tag=web&mps=5&queue_points=7&check_host=false&test_mode=true"


def test_a_urls_options_stand_above_the_defaults_of_1_0_3():
    # Without check_host=false in it this would dial, and nobody is there.
    client = potsdb.Client(URL)
    assert (client.host_tag, client.q.maxsize) == ("web", 7)
    assert client.send("m", 1, timestamp=1500000000) == "put m 1500000000 1 host=web\n"
    client.wait()
    assert client.stats().dropped_test_mode == 1


def test_an_argument_stands_above_the_url():
    client = potsdb.Client(URL, qsize=100000, host_tag=None, mps=0)
    assert (client.host_tag, client.q.maxsize) == (None, 100000)
    client.stop()
    with pytest.raises(OSError):
        potsdb.Client("tsdb://127.0.0.1:1?check_host=false", check_host=True)


def test_a_url_without_options_has_the_defaults_of_1_0_3(server):
    client = potsdb.Client(f"tsdb://127.0.0.1:{server.port}")
    server.wait_until(lambda: server.connections == 1)
    assert (client.host_tag, client.q.maxsize) == (socket.gethostname(), 100000)
    client.stop()


@pytest.mark.parametrize(
    ("host", "port", "found"),
    [
        ("http://h", 8086, 8086),
        ("http://h", "8086", 8086),
        ("http://h", None, 80),
        ("http://h:8086", 8086, 8086),
        ("tsdb://h:4243", None, 4243),
        ("h", None, 4242),
        ("h", 4243, 4243),
        ("h:4243", None, 4243),
        ("[::1]", 4243, 4243),
        ("::1", 4243, 4243),
        ("[::1]:4243", None, 4243),
    ],
)
def test_a_port_is_that_of_the_argument_or_of_the_url(host, port, found):
    arguments = () if port is None else (port,)
    client = potsdb.Client(host, *arguments, check_host=False, test_mode=True)
    assert client.port == found and client.host in ("h", "::1")
    client.stop()


@pytest.mark.parametrize(("host", "port"), [("http://h:8086", 4242), ("tsdb://a,b:4243", 4242), ("h:4243", 4242), ("h", 0), ("h", 65536), ("h", -1)])
def test_two_ports_or_none_that_exists_are_an_error(host, port):
    with pytest.raises(potsdb.ConfigError, match="port"):
        potsdb.Client(host, port, check_host=False)


def test_without_a_host_the_environment_has_the_url(monkeypatch):
    monkeypatch.setenv("POTSDB_URL", URL)
    client = potsdb.Client()
    assert (client.host, client.host_tag, client.q.maxsize) == ("localhost", "web", 7)
    client.stop()
    client = potsdb.Client(port=4243, host_tag="mine")
    assert (client.port, client.host_tag, client.q.maxsize) == (4243, "mine", 7)
    client.stop()
    monkeypatch.delenv("POTSDB_URL")
    with pytest.raises(potsdb.ConfigError, match="POTSDB_URL"):
        potsdb.Client()


@pytest.mark.parametrize("option", ["check_host", "test_mode"])
def test_text_for_a_switch_means_what_it_means_in_a_url(option):
    for text in ["false", "False", "no", "0", ""]:
        potsdb.Client("localhost", **{"check_host": False, "test_mode": True, option: text}).stop()
    client = potsdb.Client("127.0.0.1", 1, check_host="false", test_mode="TRUE")
    client.send("m", 1)
    client.wait()
    assert client.stats().dropped_test_mode == 1
    with pytest.raises(ConnectionRefusedError):
        potsdb.Client("127.0.0.1", 1, check_host="true")
    with pytest.raises(potsdb.ConfigError, match=f"option {option}: .x. is not true or false"):
        potsdb.Client("127.0.0.1", 1, **{"check_host": False, option: "x"})


def test_what_is_no_text_switches_as_in_1_0_3():
    for off in [None, 0, 2, [], object()]:
        potsdb.Client("127.0.0.1", 1, check_host=off).stop()
    for on in [True, 1, 1.0]:
        with pytest.raises(ConnectionRefusedError):
            potsdb.Client("127.0.0.1", 1, check_host=on)
    for mode, dropped in [(1, 1), (2, 1), ([0], 1), (0, 0), (None, 0)]:
        client = potsdb.Client("127.0.0.1", 1, check_host=False, test_mode=mode)
        client.send("m", 1)
        assert client.flush(10 if dropped else 0) == bool(dropped)
        client.stop()


def test_a_wrong_prefix_is_told_as_the_prefix():
    with pytest.raises(potsdb.ConfigError, match=r'option prefix: .*space \(0x20\) at offset 1 of "a b"'):
        make(prefix="a b")


def test_the_environment_opens_a_client(server, monkeypatch):
    monkeypatch.setenv("POTSDB_URL", f"tsdb://127.0.0.1:{server.port}")
    client = potsdb.Client.from_env(host_tag="h")
    assert (client.port, client.host_tag) == (server.port, "h")
    client.stop()
    monkeypatch.delenv("POTSDB_URL")
    with pytest.raises(potsdb.ConfigError, match="POTSDB_URL"):
        potsdb.Client.from_env()


@pytest.mark.parametrize("url", ["ftp://localhost", "tsdb://", "tsdb://h:99999", "tsdb://h/path", "tsdb://user:password@h"])
def test_a_url_that_makes_no_sense_is_a_config_error(url):
    with pytest.raises(potsdb.ConfigError):
        potsdb.Client(url)


def test_ipv6_addresses_need_no_brackets():
    client = potsdb.Client("::1", 4242, check_host=False, test_mode=True)
    assert (client.host, client.port) == ("::1", 4242)
    client.stop()


def test_a_default_that_is_asked_for_by_name_has_an_effect_or_is_refused():
    with pytest.raises(potsdb.ConfigError, match='option gzip: "true" has no effect over tsdb'):
        potsdb.Client("tsdb://localhost", gzip=True)
