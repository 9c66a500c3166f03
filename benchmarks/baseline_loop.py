"""The simplest senders that record: one process and one connection, without results of attempts, leases and retries.

    python -m benchmarks.baseline_loop single|multi URL DATABASE_URL

single: select a message, post it, update it, commit. multi: claim 500, send them over CurlMulti, record them in one
commit. Says "ready", begins when it is written a line, and stays until it is ended.
"""

from __future__ import annotations

import sys

import psycopg2
import requests

from benchmarks.baseline_clients import HANDLES, send_by_multi
from benchmarks.curl import CurlMulti
from benchmarks.messages import HEADERS, body, path

BATCH = 500
SELECT = "SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
CLAIM = """
UPDATE task_message SET status = 'sending' WHERE id = ANY(ARRAY(
    SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, phone_number, text
"""
RECORD = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY(%s)"


def main(kind: str, url: str, database_url: str) -> None:
    connection, session, multi = psycopg2.connect(database_url), requests.Session(), CurlMulti(HANDLES, HEADERS)
    print("ready", flush=True)
    sys.stdin.readline()
    with connection.cursor() as cursor:
        ids = [0]
        while ids:
            cursor.execute(*((SELECT,) if kind == "single" else (CLAIM, (BATCH,))))
            ids = [row[0] for row in cursor.fetchall()]
            if kind == "single":
                for message_id in ids:
                    answer = session.post(url + path(message_id), data=body(message_id), headers=HEADERS, timeout=10)
                    answer.raise_for_status()
            else:
                connection.commit()
                send_by_multi(multi, url, ids)
            cursor.execute(RECORD, (ids,))
            connection.commit()
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
