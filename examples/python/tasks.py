"""Celery tasks that are counted: celery -A tasks worker --pool prefork --concurrency 2"""

import celery
import potsdb

app = celery.Celery("tasks", broker="redis://localhost")
metrics = potsdb.Client(check_host=False, worker_tag="worker")


@app.task
def resize(name):
    metrics.counter("tasks.done", task="resize").add()
