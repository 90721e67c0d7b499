"""Runs potsdb 1.0.3 for the tests that compare: one question per line in, one answer per line out.

Executed by an interpreter that has that package, never imported.
"""

import datetime  # noqa: F401 (for the expressions)
import decimal  # noqa: F401
import fractions  # noqa: F401
import json
import sys

import potsdb

client = potsdb.Client("127.0.0.1", int(sys.argv[1]), host_tag="h")
for line in sys.stdin:
    question = json.loads(line)
    try:
        tags = {key: eval(value) for key, value in question["tags"]}
        answer = {"line": client.send(eval(question["name"]), eval(question["value"]), **tags)}
    except Exception as error:
        answer = {"raised": [kind.__name__ for kind in type(error).__mro__][:-3], "message": str(error)}
    print(json.dumps(answer), flush=True)
