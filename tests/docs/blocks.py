"""The code blocks of the READMEs, CONTRIBUTING.md and docs/: where each stands, what language it is, and what is said about it.

A block is fenced and names its language. A comment before it says what a reader need not see:

    <!-- skip: why it is not run -->      it is not run, and the reason is counted
    <!-- run by: test_recipes.py -->     another test runs it
    <!-- quoted from: path -->           it stands word for word in that file
    <!-- exit: 1 -->                      a shell block that ends with this status
    <!-- before                           statements that are run before the block
    table = ...
    -->

A block with a `title` is a file of that name, which other blocks of the page use. In docs/ a line `--8<-- "path"` stands for the file of that
path, as mkdocs reads it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READMES = [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "crates").glob("*/README.md")), ROOT / "CONTRIBUTING.md"]
PAGES = READMES + sorted((ROOT / "docs").rglob("*.md"))

LANGUAGES = {
    "python": "run",
    "sh": "run",
    "rust": "run by cargo",
    "url": "parsed",
    "ini": "parsed",
    "yaml": "parsed",
    "toml": "parsed",
    "json": "parsed",
    "dockerfile": "parsed",
    "crontab": "parsed",
    "text": "no code",
}
"""What is done with the blocks of a language. `text` is output, a formula or a drawing."""

FENCE = re.compile(r"^( *)```\s*(\w*)\s*(.*)$")
COMMENT = re.compile(r"<!--\s*(skip|run by|quoted from|exit|before)\b:?\s*(.*?)\s*-->\s*\Z", re.DOTALL)
INCLUDED = re.compile(r"^--8<-- \"(.+)\"$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    """Of its first line of code, from 1."""
    language: str
    text: str
    title: str | None = None
    skip: str | None = None
    run_by: str | None = None
    quoted_from: str | None = None
    exit: int = 0
    before: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text().split("\n")
    at = 0
    while at < len(lines):
        opened = FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        indent, language, rest = opened.groups()
        end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
        title = re.search(r'title="([^"]+)"', rest)
        said = dict(_said("\n".join(lines[:at])))
        text = textwrap.dedent("\n".join(lines[at + 1 : end])) + "\n"
        yield Block(
            page,
            at + 2,
            language,
            INCLUDED.sub(lambda found: (ROOT / found[1]).read_text().rstrip("\n"), text),
            title=title[1] if title else None,
            skip=said.get("skip"),
            run_by=said.get("run by"),
            quoted_from=said.get("quoted from"),
            exit=int(said.get("exit", 0)),
            before=said.get("before", ""),
        )
        at = end + 1


def _said(before: str) -> Iterator[tuple[str, str]]:
    """The comments that end directly before a block."""
    while found := COMMENT.search(before[before.rfind("<!--") :] if "<!--" in before else ""):
        yield found[1], found[2]
        before = before[: before.rfind("<!--")]
