"""Runs the Python blocks of a page one after the other, as one program: `session.py` reads them as JSON.

What a line prints has to be what the comment at its end says: `print(2 + 2)  # 4`.
"""

import contextlib
import io
import json
import re
import sys

PRINTED = re.compile(r"^ *print\(.*\)  +# (.*)$", re.MULTILINE)

names = {"__name__": "__main__"}
for block in json.load(sys.stdin):
    exec(compile(block["before"], "before " + block["place"], "exec"), names)
    # Empty lines before it, so that a traceback names the line of the page.
    source = "\n" * (block["line"] - 1) + block["text"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(source, block["page"], "exec", dont_inherit=True), names)
    lines = said.getvalue().split("\n")
    for wanted in PRINTED.findall(block["text"]):
        if wanted not in lines:
            sys.exit(f"{block['place']}: it should print {wanted!r} and printed {lines}")
    print("ran", block["place"], file=sys.stderr)
