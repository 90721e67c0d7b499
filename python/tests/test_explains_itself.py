"""What editors, mocks, checkers and `help` ask a client about itself is answered, from the one table of options."""

from __future__ import annotations

import ast
import inspect
import pydoc
import typing
from pathlib import Path
from unittest import mock

import pytest

import potsdb
from potsdb import _potsdb
from potsdb.client import Keywords, Options, describe_options

METHODS = sorted(name for name in dir(potsdb.Client) if not name.startswith("_") and callable(getattr(potsdb.Client, name, None)))


@pytest.mark.parametrize(
    ("asked", "parameters"),
    [
        (potsdb.Client, "host port qsize host_tag mps check_host test_mode options"),
        (potsdb.Client.from_url, "url options"),
        (potsdb.Client.from_env, "options"),
        (potsdb.Client.send, "self name val tags"),
        (potsdb.Client.log, "self name val tags"),
        (potsdb.Client.series, "self name tags"),
        (potsdb.Client.send_frame, "self table value metric metric_column timestamp tags timeout"),
        (potsdb.Client.flush, "self timeout"),
        (potsdb.Client.aflush, "self timeout"),
        (potsdb.Client.sync, "self timeout"),
        (potsdb.Client.async_sync, "self timeout"),
        (potsdb.Client.close, "self timeout"),
        (potsdb.Client.aclose, "self timeout"),
        (potsdb.Client.stats, "self"),
        (potsdb.Client.stop, "self"),
        (potsdb.Client.wait, "self"),
        (potsdb.Series.send, "self value timestamp"),
        (potsdb.Stats.as_dict, "self"),
    ],
)
def test_what_is_called_has_a_signature(asked, parameters):
    assert " ".join(inspect.signature(asked).parameters) == parameters


def test_the_signature_shows_the_defaults_of_1_0_3():
    shown = str(inspect.signature(potsdb.Client))
    for default in ["host: 'str | None' = None", "= 4242", "= 100000", "host_tag: 'object' = True", "= 0", "check_host: 'object' = True", "test_mode: 'object' = False"]:
        assert default in shown
    assert inspect.signature(potsdb.Client).parameters["port"].default == 4242


def test_a_mock_made_of_the_class_takes_what_a_client_takes():
    client = mock.create_autospec(potsdb.Client)("localhost", 4242, check_host=False, overflow="block")
    client.send("m", 1, host="h", timestamp=1500000000)
    client.send(name="m", val=1)
    client.series("m", a=1)
    client.close(5)
    with pytest.raises(TypeError):
        client.close(1, 2)


@pytest.mark.parametrize("name", ["__init__", "__enter__", "__exit__", *METHODS])
def test_annotations_can_be_evaluated(name):
    method = getattr(potsdb.Client, name)
    hints = typing.get_type_hints(method)
    assert hints or not inspect.isfunction(method)


def test_the_annotations_say_what_they_are():
    hints = typing.get_type_hints(potsdb.Client.__init__)
    assert hints["port"] == int | str and hints["host"] == str | None
    assert typing.get_args(hints["options"]) in ((Options,), ())  # () on Python 3.10 without typing_extensions
    assert typing.get_type_hints(Options)["max_tags"] == int | str
    assert set(typing.get_type_hints(Keywords)) == {name for name, _, _ in _potsdb.options()}


def test_help_names_every_option_with_its_default_and_meaning():
    said = pydoc.render_doc(potsdb.Client, renderer=pydoc.plaintext)
    for name, default, meaning in _potsdb.options():
        assert f"{name}: {default}\n" in said if default else f" {name}\n" in said, name
        assert meaning in said, name


def test_the_defaults_told_are_those_of_a_client():
    told = {name: default for name, default, _ in _potsdb.options()}
    assert (told["names"], told["max_tags"], told["invalid"], told["close_grace"]) == ("ascii", "0", "drop", "5s")
    # There is no text for the machine's name, telnet has no bodies to compress, and without a spool its options mean nothing.
    idle = {"host_tag", "gzip", *(name for name in told if name.startswith("spool_"))}
    spoken = {name: default for name, default in told.items() if default and name not in idle}
    text = "&".join(f"{name}={default}" for name, default in spoken.items())
    potsdb.Client.from_url(f"tsdb://localhost?{text}").stop()


def test_each_keyword_has_the_text_of_the_table():
    source = ast.parse((Path(potsdb.__file__).parent / "_keywords.py").read_text())
    written = {}
    for node in source.body:
        if isinstance(node, ast.ClassDef):
            for key, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(key, ast.AnnAssign):
                    assert isinstance(text, ast.Expr), f"{key.target.id} has no text"
                    written[key.target.id] = text.value.value
    wanted = {name: f"{meaning[0].upper()}{meaning[1:]}." + (f" Default: `{default}`." if default else "")
              for name, default, meaning in _potsdb.options()}
    assert written == wanted


def test_the_readme_has_the_table():
    readme = Path(__file__).parent.parent / "README.md"
    if not readme.exists():
        pytest.skip("no README beside the tests")
    listed = f"```text\n{describe_options().rstrip()}\n```"
    assert listed in readme.read_text(), f"python/README.md is to have:\n{listed}"
