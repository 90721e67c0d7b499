"""Runs the Python blocks of a page one after the other, as one program: `session.py` reads them as JSON."""

import json
import sys

names = {"__name__": "__main__"}
for block in json.load(sys.stdin):
    exec(compile(block["before"], "before " + block["place"], "exec"), names)
    # Empty lines before it, so that a traceback names the line of the page.
    source = "\n" * (block["line"] - 1) + block["text"]
    exec(compile(source, block["page"], "exec", dont_inherit=True), names)
    print("ran", block["place"], file=sys.stderr)
