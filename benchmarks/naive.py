"""How one would write it first: select a message, post it, update it, commit; with everything that a loop can keep.

python -m benchmarks.naive --database-url postgresql://… --url http://127.0.0.1:8090
"""

from __future__ import annotations

import argparse
import sys

import psycopg2
import requests

from benchmarks.messages import HEADERS, body, path

SELECT = "SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
UPDATE = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = %s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive", description=__doc__)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--url", required=True)
    options = parser.parse_args()
    connection = psycopg2.connect(options.database_url)
    with requests.Session() as session, connection.cursor() as cursor:
        print("ready", flush=True)
        sys.stdin.readline()
        while True:
            cursor.execute(SELECT)
            row = cursor.fetchone()
            if row is None:
                break
            answer = session.post(options.url + path(row[0]), data=body(row[0]), headers=HEADERS, timeout=10)
            answer.raise_for_status()
            cursor.execute(UPDATE, row)
            connection.commit()
    connection.close()
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
