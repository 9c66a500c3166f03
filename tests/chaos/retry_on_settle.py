"""Retries at the worst moment: when nothing of a mailing is open any more, and workers are about to settle it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tests.chaos.api_users import ApiUsers
from tests.chaos.reconnecting_thread import ReconnectingThread

PAUSE = 0.01
"""Seconds between two queries."""
MAX_RETRIES = 6
"""Of one mailing at most, so that a run comes to its end."""

READY = """
SELECT id FROM mailing
WHERE status = 'running' AND launched_at IS NOT NULL AND settled_at IS NULL AND now() < end_datetime AND EXISTS (
    SELECT FROM message_count_delta WHERE mailing_id = mailing.id
    HAVING coalesce(sum(delta) FILTER (WHERE status IN ('pending', 'sending')), 0) = 0
        AND sum(delta) FILTER (WHERE status = 'failed') > 0)
"""


class RetryOnSettle(ReconnectingThread):
    """A thread that retries what failed, from `start` to `stop`, through restarts of the database and the API."""

    def __init__(self, connect: Callable[[], Connection], users: ApiUsers) -> None:
        super().__init__(connect, PAUSE)
        self._users = users
        self._retries: Counter[int] = Counter()

    def step(self, cursor: Cursor) -> None:
        """Retries what has just become ready."""
        cursor.execute(READY)
        for (mailing_id,) in cursor.fetchall():
            if self._retries[mailing_id] < MAX_RETRIES:
                self._retries[mailing_id] += 1
                self._users.call("POST", f"/v1/mailing/{mailing_id}/retry/", {"status": "failed"}).result()
