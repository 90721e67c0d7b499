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
    assert set(Keywords.__annotations__) | set(Options.__annotations__) == set(_potsdb.option_names())


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
