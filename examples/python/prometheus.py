"""What prometheus_client counts, in OpenTSDB: POTSDB_URL=tsdb://localhost python prometheus.py"""

from prometheus_client import Counter, Histogram

import potsdb
from potsdb.prometheus import Bridge

requests = Counter("web_requests", "Requests.", ["path"])
latency = Histogram("web_latency_seconds", "How long they take.", ["path"])

Bridge(potsdb.Client()).start(10)  # and once more at the program's end

for _ in range(100):
    with latency.labels("/login").time():
        requests.labels("/login").inc()
