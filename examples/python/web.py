"""A web application that counts its requests: gunicorn --config gunicorn.conf.py web:app"""

import potsdb

metrics = potsdb.Client(check_host=False, worker_tag="worker")
requests = metrics.counter("web.requests")


def app(environ, start_response):
    requests.add()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
