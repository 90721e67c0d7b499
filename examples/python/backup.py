"""A script under cron. Its exit code says whether the point arrived: POTSDB_URL=tsdb://localhost python backup.py"""

import sys
import time

import potsdb

metrics = potsdb.Client(check_host=False)
started = time.monotonic()
# ... the work ...
metrics.send("backup.seconds", time.monotonic() - started, job="nightly")

stats = metrics.close(5)
if stats.delivered < stats.accepted:
    sys.exit(f"backup.py: {stats}")
