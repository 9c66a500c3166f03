"""Adopting orphan receipts: those that came before the provider's id of their message was known."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import receipts
from worker.parameters import bigints


def adopt_orphans(cursor: Cursor, message_ids: Iterable[int]) -> None:
    """Queues the orphans of messages whose provider's id was recorded in this transaction.

    A statement of its own, after the lock: it finds the orphans of the moment when the lock was granted.
    """
    cursor.execute(receipts.SHARE_RECEIPTS)
    cursor.execute(receipts.ADOPT_ORPHANS, {"ids": bigints(message_ids)})
