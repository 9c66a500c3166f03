"""Starting mailings, and launching them: turning their audiences into messages, one chunk a transaction.

Any number of workers can do this at the same time: one launches a mailing, and others launch others.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple

from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import mailings
from worker.database import Database
from worker.rows import fetch_all, fetch_one

log = logging.getLogger(__name__)


class MailingId(NamedTuple):
    """A row of START_MAILINGS and of FIND_LAUNCHING."""

    id: int


class Progress(NamedTuple):
    """A row of READ_LAUNCH."""

    mark: str
    last_client_id: int
    max_client_id: int
    route_id: int | None
    only_path: int | None


class Chunk(NamedTuple):
    """A row of LAUNCH_CHUNK: the result of launching one chunk."""

    mailing_id: int
    added: int
    launched: bool
    audience: int


class Launcher:
    """Starts and launches mailings. For one thread."""

    def __init__(self, database: Database, chunk: int) -> None:
        """`chunk`: clients turned into messages in one transaction."""
        self._database = database
        self._chunk = chunk
        self.launching = False
        """Whether a mailing was being launched at the last check, here or by another worker."""

    def start_mailings(self) -> bool:
        """Starts the mailings whose start has come. Returns whether there were any."""

        def work(cursor: Cursor) -> list[MailingId]:
            cursor.execute(mailings.START_MAILINGS)
            return fetch_all(cursor, MailingId)

        started = self._database.transaction(work)
        for mailing in started:
            log.info("mailing.started", extra={"mailing_id": mailing.id})
        return bool(started)

    def launch(self) -> bool:
        """Launches one chunk of one mailing. Returns whether a launch is under way here."""
        try:
            chunk = self._database.transaction(self._launch_next)
        except UniqueViolation:
            log.warning("launch.repeated")  # last_client_id was decreased by hand
            again = partial(self._launch_next, statement=mailings.LAUNCH_CHUNK_AGAIN)
            chunk = self._database.transaction(again)
        if chunk is None:
            return False
        log.debug("launch.chunk_added", extra={"mailing_id": chunk.mailing_id, "messages": chunk.added})
        if chunk.launched:
            log.info("mailing.launched", extra={"mailing_id": chunk.mailing_id, "audience": chunk.audience})
        return True

    def _launch_next(self, cursor: Cursor, statement: str | None = None) -> Chunk | None:
        cursor.execute(mailings.FIND_LAUNCHING)
        found = fetch_all(cursor, MailingId)
        self.launching = bool(found)
        for mailing in found:
            cursor.execute(mailings.LOCK_LAUNCH, {"mailing_id": mailing.id})
            if cursor.fetchone() == (True,):
                return self._launch_chunk(cursor, mailing.id, statement or mailings.LAUNCH_CHUNK)
        return None

    def _launch_chunk(self, cursor: Cursor, mailing_id: int, statement: str) -> Chunk | None:
        cursor.execute(mailings.READ_LAUNCH, {"mailing_id": mailing_id})
        progress = fetch_one(cursor, Progress)
        if progress is None:  # another worker has just launched the last chunk
            return None
        cursor.execute(statement, {"mailing_id": mailing_id, "chunk": self._chunk, **progress._asdict()})
        return fetch_one(cursor, Chunk)
