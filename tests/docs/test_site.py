"""The site is built without a warning, its tables are what their sources say, and its links are links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from blocks import PAGES, READMES, ROOT
from conftest import COUNTS, command

TEXTS = [*READMES, ROOT / "examples" / "README.md", *(ROOT / name for name in "ARCHITECTURE BENCHMARKS CHANGELOG CODE_OF_CONDUCT RELEASING SECURITY SUPPORT".split())]
"""Texts that are no pages of the site, so that mkdocs does not check their links; some without their suffix."""

FILE = re.compile(r"\]\((?!\w+:)([^)#\s]+)[^)\s]*\)")
LINK = re.compile(r"\]\((\w+:[^)\s]+)\)|<(https?://[^>]+)>")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site. `--strict` fails for a page that no menu has, and for a link to a page or heading that is not there."""
    folder = tmp_path_factory.mktemp("site")
    outcome = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    return folder


def test_the_site_is_built_and_has_a_search(site):
    assert (site / "search" / "search_index.json").stat().st_size > 10_000


def test_the_page_of_the_python_api_has_what_programs_call(site):
    text = (site / "python-api" / "index.html").read_text()
    for heading in ("send", "send_frame", "flush", "stats", "counter", "record", "close", "wait_for", "restart"):
        assert re.search(rf"<h4[^>]*>{heading}<", text), heading


def test_no_page_asks_another_host_for_anything(site):
    for page in site.rglob("*.html"):
        asked = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?://[^\"\s>]+)", page.read_text())
        assert [url for url in asked if "github.com/potsdb" not in url and "canonical" not in url] == [], page


def test_the_page_of_options_is_what_the_table_says():
    outcome = subprocess.run([sys.executable, "scripts/options-page", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_to_files(page):
    page = page if page.suffix else page.with_suffix(".md")
    for path in FILE.findall(page.read_text()):
        assert (page.parent / path).exists(), f"{page.name} links to {path}"
        COUNTS["links to files: there"] += 1


def test_the_demo_can_be_filmed(tmp_path):
    if shutil.which("termtosvg-ng") is None:
        pytest.skip("termtosvg-ng is not installed: docs/requirements.txt names it")
    picture = tmp_path / "demo.svg"
    outcome = subprocess.run(
        [ROOT / "scripts" / "demo-picture", picture],
        env={**os.environ, "POTSDB_COMMAND": command()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_other_hosts_are_written_as_links_are(page):
    # Whether they lead anywhere is not asked: tests do not use the internet.
    for found in LINK.findall(page.read_text()):
        url = found[0] or found[1]
        COUNTS["links to other hosts: in form"] += 1
        parts = urlsplit(url)
        assert parts.scheme in {"http", "https"} and "." in parts.netloc and " " not in url, url
