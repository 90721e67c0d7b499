"""A service that systemd starts and ends by SIGTERM: POTSDB_URL=tsdb://localhost python service.py"""

import signal
import sys
import threading

import potsdb

# Without this, SIGTERM ends Python at once. With it the program ends as by sys.exit, and potsdb delivers.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

metrics = potsdb.Client(check_host=False)
metrics.counter("service.starts").add()
turns = metrics.counter("service.turns")
print("ready", flush=True)

while True:
    turns.add()
    threading.Event().wait(0.1)  # the work
