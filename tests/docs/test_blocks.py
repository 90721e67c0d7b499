"""Every code block is run, or parsed, or says why not."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from blocks import LANGUAGES, PAGES, READMES, ROOT, Block, blocks
from conftest import COUNTS, REASONS, environment, here, stood_in

PATIENCE = 60
"""Seconds a page's blocks may take before the test has failed: a bound, never a pause."""

BEFORE = {
    ROOT / "python" / "README.md": """
import logging, sys, signal
import pyarrow
table = pyarrow.table({"path": ["/login"], "latency": [0.25], "time": [1767225600]})
try:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
except ImportError:
    pass
""",
}
"""What the examples of a README take as given: a table, imports."""

NOTHING = {ROOT / "docs" / name for name in ("failures.md", "install.md", "rust-api.md", "security.md", "testing.md")}
"""Pages whose examples send no point, or to servers that they start themselves."""

EVERY = [block for page in PAGES for block in blocks(page)]


def of(page: Path, language: str) -> list[Block]:
    """The blocks of a page that are run here."""
    return [
        block
        for block in EVERY
        if block.page == page and block.language == language and not (block.skip or block.run_by or block.quoted_from)
    ]


def missing(text: str) -> str | None:
    """A module of the package that the text imports, and neither this tree nor the interpreter has."""
    for name in re.findall(r"\b(?:from|import) potsdb\.(\w+)", text):
        if not (ROOT / "python/python/potsdb" / f"{name}.py").exists() and not find_spec(f"potsdb.{name}"):
            return f"potsdb.{name} is not in this tree"
    return None


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def flat(text: str) -> str:
    """The text without its indentation, which a quotation has not."""
    return "\n".join(line.strip() for line in text.strip().split("\n"))


@pytest.mark.parametrize("page", READMES, ids=name)
def test_no_block_is_hidden_from_this_test_by_its_indentation(page):
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"(?m)^\n {4}.*", prose) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_names_a_language_or_says_why_it_is_not_run(page):
    for block in (each for each in EVERY if each.page == page):
        assert block.language in LANGUAGES, f"{block.place}: a block in {block.language!r}"
        what = "skipped" if block.skip else f"run by {block.run_by}" if block.run_by else LANGUAGES[block.language]
        if block.quoted_from:
            what = "quoted from a source"
            assert flat(block.text) in flat((ROOT / block.quoted_from).read_text()), f"{block.place}: {block.quoted_from} has it otherwise"
        if block.title and block.language in {"python", "rust"}:
            what = "files that others run or are called by a test"
        COUNTS[f"{block.language}: {what}"] += 1
        if block.skip:
            REASONS.append(f"{block.place} ({block.language}): {block.skip}")


@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "python") or of(page, "sh")], ids=name)
def test_the_blocks_of_a_page_run_in_their_order(page, folder, served):
    for title in (block for block in EVERY if block.page == page and block.title and not block.run_by):
        path = folder / title.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(here(title.text, served.port, shell=title.language == "sh"))
        if title.language == "python":
            compile(title.text, title.place, "exec")
    program = [block for block in of(page, "python") if not block.title]
    if lacks := next(filter(None, (missing(block.text + block.before) for block in of(page, "python"))), None):
        pytest.skip(lacks)
    if program:
        _run_python(program, folder, served.port)
    for block in of(page, "sh"):
        if block.title:
            continue
        script = here(block.before + "\n" + block.text, served.port, shell=True)
        outcome = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=folder,
            env=environment(folder, served.port),
            text=True,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert outcome.returncode == block.exit, f"{block.place}\n{script}\n{outcome.stdout}\n{outcome.stderr}"
    stood_in(folder)
    # What the examples send arrives, and is what a server takes.
    counts = served.close()
    assert counts["refused"] == 0, counts
    assert counts["accepted"] > 0 or page in NOTHING, counts


def _run_python(program: list[Block], folder: Path, port: int) -> None:
    given = [
        {
            "before": here((BEFORE.get(block.page, "") if block is program[0] else "") + block.before, port),
            "text": here(block.text, port),
            "line": block.line,
            "page": name(block.page),
            "place": block.place,
        }
        for block in program
    ]
    outcome = subprocess.run(
        [sys.executable, Path(__file__).with_name("session.py")],
        input=json.dumps(given),
        cwd=folder,
        env=environment(folder, port),
        text=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    said = f"{outcome.stdout}\n{outcome.stderr}"
    assert outcome.returncode in (0, 143), said
    assert outcome.stderr.count("ran ") == len(program), said
    assert "refused" not in outcome.stderr and "dropped" not in outcome.stderr, said


@pytest.mark.parametrize(
    "block", [each for each in EVERY if LANGUAGES.get(each.language) == "parsed" and not each.skip], ids=lambda b: b.place
)
def test_a_block_of_settings_can_be_read(block):
    READERS[block.language](block.text)


def _url(text: str) -> None:
    import potsdb

    for line in text.split("\n"):
        # Several may stand on a line, and words behind them.
        for url in re.findall(r"(?:tsdbs?|https?)://\S+", line):
            url = url.replace("@/run/secrets/tsdb", "secret").replace("@/run/secrets/token", "secret")
            url = re.sub(r"(ca|cert|key)=[^&]*", "", url).replace("?&", "?").replace("&&", "&").rstrip("?&")
            potsdb.Client.from_url(url, test_mode=True, check_host=False).stop()


def _ini(text: str) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    assert parser.sections(), "no section"


def _dockerfile(text: str) -> None:
    words = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN USER WORKDIR".split()
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        assert not line.strip() or line.startswith("#") or line.split()[0] in words, line


def _crontab(text: str) -> None:
    for line in filter(None, text.split("\n")):
        if not re.match(r"#|\w+=", line):
            assert re.match(r"([\d*/,-]+ +){5}\S", line), line


def _toml(text: str) -> None:
    # Python 3.10 cannot read it.
    pytest.importorskip("tomllib").loads(text)


READERS = {
    "url": _url,
    "ini": _ini,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "toml": _toml,
    "json": json.loads,
    "dockerfile": _dockerfile,
    "crontab": _crontab,
}
