"""Celery with Redis: one message a task, or 200 a task. A status for each message in a table of ours.

python -m benchmarks.peers.celery_peer COUNT BATCH          puts the tasks into Redis
celery --app benchmarks.peers.celery_peer worker …          does them
"""

from __future__ import annotations

import os
import sys
from functools import cache

import psycopg2
import requests
from celery import Celery
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.messages import HEADERS, body, path

UPDATE = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY(%s)"

app = Celery(broker=os.environ.get("PEER_REDIS_URL"))
# No results are wanted, and nothing that is sent about each task beside it.
app.conf.update(
    task_ignore_result=True, worker_send_task_events=False, task_send_sent_event=False, broker_pool_limit=None
)


@app.task(name="send")
def send(ids: list[int]) -> None:
    """Posts the messages, and records them in one commit."""
    session, gateway = _session(), os.environ["PEER_GATEWAY_URL"]
    for message_id in ids:
        session.post(gateway + path(message_id), data=body(message_id), headers=HEADERS, timeout=10).raise_for_status()
    with _connection().cursor() as cursor:
        cursor.execute(UPDATE, (ids,))


@cache
def _session() -> requests.Session:
    return requests.Session()


@cache
def _connection() -> Connection:
    connection = psycopg2.connect(os.environ["PEER_DATABASE_URL"])
    connection.autocommit = True
    return connection


def main(count: int, batch: int) -> None:
    """Puts so many messages into Redis."""
    with app.producer_pool.acquire() as producer:
        for first in range(1, count + 1, batch):
            ids = list(range(first, min(first + batch, count + 1)))
            send.apply_async((ids,), producer=producer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
