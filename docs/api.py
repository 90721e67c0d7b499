"""Makes the page python-api.md while the site is built, from the stub and the docstrings: a hook of mkdocs.

Sources are parsed and not imported, so neither the module nor what its bridges need has to be installed. The alternative was
mkdocstrings, which brings a parser and a theme of templates for what is a hundred lines here.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "python" / "potsdb"

MODULES = ["client", "_potsdb", "exceptions", "prometheus", "otel", "statsd", "logs", "testing"]
"""In the order of the page; those that the tree does not have are left out."""

HEAD = """# Python API

Everything public of the package `potsdb`, from its docstrings. `help(potsdb.Client)` shows the same in a terminal. The package is
typed: mypy and pyright know every call.
"""

INSIDE = {"install", "drain_all", "Receiver"}
"""What the extension module has for the package alone."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    files.append(File.generated(config, "python-api.md", content=page()))
    return files


def page() -> str:
    parts = [HEAD]
    for name in MODULES:
        source = PACKAGE / (f"{name}.pyi" if name == "_potsdb" else f"{name}.py")
        if source.exists():
            parts += _module(name, ast.parse(source.read_text()))
    return "\n".join(parts)


def _module(name: str, tree: ast.Module) -> Iterator[str]:
    shown = "potsdb" if name in {"client", "_potsdb", "exceptions"} else f"potsdb.{name}"
    title = {"client": "Client", "_potsdb": "Series, instruments and statistics", "exceptions": "Exceptions"}
    yield f"## {title.get(name, shown)}\n"
    if shown != "potsdb" and (text := ast.get_docstring(tree)):
        yield _markdown(text)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in INSIDE:
            if name == "_potsdb" and node.name == "Client":
                # Shown with the class that programs use.
                continue
            yield from _class(shown, node)
            if name == "client" and node.name == "Client":
                base = ast.parse((PACKAGE / "_potsdb.pyi").read_text())
                inherited = next(each for each in base.body if isinstance(each, ast.ClassDef) and each.name == "Client")
                known = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
                yield from _members(inherited, known)


def _class(module: str, node: ast.ClassDef) -> Iterator[str]:
    yield f"### `{module}.{node.name}`\n"
    if text := ast.get_docstring(node):
        yield _markdown(text)
    yield from _members(node, set())


def _members(node: ast.ClassDef, known: set[str]) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            wanted = not each.name.startswith("_") or each.name in {"__init__", "__new__"}
            overloaded = any(ast.unparse(mark).endswith("overload") for mark in each.decorator_list)
            if wanted and not overloaded and each.name not in known:
                known.add(each.name)
                yield from _function(node.name, each)
        elif isinstance(each, ast.If):
            # Signatures that only checkers see.
            yield from _members(ast.ClassDef(node.name, [], [], each.body, []), known)


def _function(owner: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    text = ast.get_docstring(node)
    if any(ast.unparse(mark).endswith("property") for mark in node.decorator_list):
        returns = f": {ast.unparse(node.returns)}" if node.returns else ""
        yield f"`{node.name}{returns}`\n:   {_folded(text)}\n"
        return
    name = owner if node.name in {"__init__", "__new__"} else node.name
    arguments = [argument for argument in ast.unparse(node.args).replace("self, ", "").split(", ") if argument]
    if arguments and arguments[0] in {"self", "cls", "/"}:
        arguments = arguments[1:]
    if arguments and arguments[0] in {"cls"}:
        arguments = arguments[1:]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name not in {"__init__", "__new__"} else ""
    flat = f"{name}({', '.join(arguments)}){returns}"
    yield f"```python\n{flat}\n```\n"
    if text:
        yield _markdown(text)


def _folded(text: str | None) -> str:
    return " ".join((text or "").split())


def _markdown(text: str) -> str:
    """A docstring as Markdown: its indented examples are Python."""
    lines = []
    example = False
    for line in inspect.cleandoc(text).split("\n"):
        if line.startswith("    ") and not example and (not lines or not lines[-1]):
            example = True
            lines.append("```python")
        elif line and not line.startswith("    ") and example:
            example = False
            while lines and not lines[-1]:
                lines.pop()
            lines += ["```", ""]
        lines.append(line.removeprefix("    ") if example else line)
    if example:
        lines.append("```")
    return "\n".join(lines) + "\n"
