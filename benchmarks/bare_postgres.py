"""PostgreSQL alone: the same rows claimed and completed in batches, with a row for each attempt, and no HTTP.

python -m benchmarks.bare_postgres --database-url postgresql://… --batch 500
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.postgres import connect

CLAIM = """
UPDATE task_message SET status = 'sending' WHERE id = ANY(ARRAY(
    SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, phone_number, text
"""
COMPLETE = """
WITH done AS (
    UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY(%s) RETURNING id
)
INSERT INTO task_attempt (message_id) SELECT id FROM done
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_postgres", description=__doc__)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--batch", type=int, default=500)
    options = parser.parse_args()
    connection = connect(options.database_url)
    with connection.cursor() as cursor:
        print("ready", flush=True)
        sys.stdin.readline()
        while True:
            cursor.execute(CLAIM, (options.batch,))
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                break
            cursor.execute(COMPLETE, (ids,))
    connection.close()
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
