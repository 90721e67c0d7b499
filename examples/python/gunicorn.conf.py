"""How gunicorn serves web.py. The server of the points is in the environment: POTSDB_URL."""

bind = "127.0.0.1:8000"
workers = 3
graceful_timeout = 30  # longer than close_grace (5 s), in which a worker delivers what it has queued
