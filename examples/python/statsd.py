"""A program written for statsd, with another import: POTSDB_URL=tsdb://localhost python statsd.py"""

import potsdb
from potsdb.statsd import StatsClient

statsd = StatsClient(client=potsdb.Client(), prefix="web")


@statsd.timer("latency")
def login() -> None:
    statsd.incr("requests")


for _ in range(100):
    login()
statsd.gauge("workers", 4)
