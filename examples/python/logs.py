"""How many errors a program logs, in OpenTSDB: POTSDB_URL=tsdb://localhost python logs.py"""

import logging

import potsdb
from potsdb.logs import Handler

logging.getLogger().addHandler(Handler(potsdb.Client()))

for n in range(100):
    logging.getLogger("web.login").error("request %d failed", n)
