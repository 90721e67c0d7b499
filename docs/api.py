"""Makes the page python-api.md while the site is built, from the stub and the docstrings: a hook of mkdocs.

Sources are parsed and not imported, so neither the module nor what its bridges need has to be installed. The alternative was
mkdocstrings, which brings a parser and a theme of templates for what is a hundred lines here.
"""

from __future__ import annotations

import ast
import inspect
import re
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

INSIDE = {"Client", "Receiver"}
"""What programs use through another class of the package, with which it is shown."""


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
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if name == "_potsdb" and node.name in INSIDE:
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
    for each, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and not each.target.id.startswith("_"):
            said = following.value if isinstance(following, ast.Expr) else None
            text = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
            yield _attribute(f"{each.target.id}: {ast.unparse(each.annotation)}", text)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            wanted = not each.name.startswith("_") or each.name in {"__init__", "__new__"}
            # Of the forms of one call, the one that says what it does.
            overloaded = any(ast.unparse(mark).endswith("overload") for mark in each.decorator_list)
            overloaded = overloaded and ast.get_docstring(each) is None
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
        yield _attribute(f"{node.name}{returns}", text)
        return
    arguments = _arguments(node.args)
    if any(argument.startswith("*_") for argument in arguments):
        # Made by the package alone.
        return
    made = node.name in {"__init__", "__new__"}
    name = owner if made else node.name
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and not made else ""
    signature = f"{name}({', '.join(arguments)}){returns}"
    if len(signature) > 100:
        signature = f"{name}(\n    " + ",\n    ".join(arguments) + f",\n){returns}"
    if not made:
        yield f"#### {name}\n"
    yield f"```python\n{signature}\n```\n"
    if text:
        yield _markdown(text)


def _arguments(given: ast.arguments) -> list[str]:
    """The arguments as a caller sees them: without `self`, and defaults that mark what was given as what they are."""
    positional = given.posonlyargs + given.args
    defaults = [None] * (len(positional) - len(given.defaults)) + given.defaults
    shown = [_argument(argument, default) for argument, default in zip(positional, defaults, strict=True)]
    if given.posonlyargs:
        shown.insert(len(given.posonlyargs), "/")
    if positional and positional[0].arg in {"self", "cls"}:
        shown = [argument for argument in shown[1:] if argument != "/"] if len(given.posonlyargs) == 1 else shown[1:]
    if given.vararg:
        shown.append(f"*{given.vararg.arg}")
    elif given.kwonlyargs:
        shown.append("*")
    shown += [_argument(*pair) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        shown.append(f"**{_argument(given.kwarg, None)}")
    return shown


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    if default is None:
        return f"{argument.arg}{kind}"
    value = re.sub(r"^_Default(?:Switch)?\((.*)\)$", r"\1", ast.unparse(default)).replace("MPS_LIMIT", "0")
    return f"{argument.arg}{kind} = {value}" if kind else f"{argument.arg}={value}"


def _attribute(shown: str, text: str | None) -> str:
    return f"`{shown}`\n:   {' '.join(text.split())}\n" if text else f"`{shown}`\n"


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
