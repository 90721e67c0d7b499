"""A program at the near end of the link, driven line by line: sends, flushes, closes, and says what it was told."""

from __future__ import annotations

import json
import sys
import time

import potsdb

START = 1_500_000_000

client = potsdb.Client.from_url(sys.argv[1], host_tag=None, check_host=False, queue_points=0)
sent = 0
for line in sys.stdin:
    question = json.loads(line)
    began = time.monotonic()
    answer: object = None
    if "send" in question:
        for _ in range(question["send"]):
            assert client.send("m", sent, a=1, timestamp=START + sent)
            sent += 1
    elif "flush" in question:
        answer = client.flush(question["flush"])
    elif "sync" in question:
        answer = client.sync(question["sync"])
    elif "close" in question:
        client.close(question["close"])
    took = time.monotonic() - began
    print(json.dumps({"answer": answer, "sent": sent, "took": took, "stats": client.stats().as_dict()}), flush=True)
