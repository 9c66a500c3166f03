"""Starting mailings, and launching them: turning their audiences into messages, one chunk a transaction.

Any number of workers can do this at the same time: one launches a mailing, and others launch others. An audience that
is a segment is listed first, by another thread (audience_lister.py).
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from psycopg2.errors import UniqueViolation
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.sentences import EventDetail
from shared.domain.statuses import MailingStatus
from shared.sql import audiences, mailings
from worker.database import Database
from worker.maintenance.mailing_history import add_event
from worker.rows import fetch_all, fetch_one

log = logging.getLogger(__name__)


class LaunchStage(enum.StrEnum):
    """How far the launch of a mailing is."""

    BY_MARK = "by_mark"
    """Its audience is a mark: there is nothing to list."""
    UNLISTED = "unlisted"
    """Its audience has to be listed."""
    LISTED = "listed"
    FAILED = "failed"
    """Its audience could not be listed, and it waits for a person to resume it."""
    MISSED = "missed"
    """It waited for that until its window closed, or it was cancelled."""


READY = (LaunchStage.BY_MARK, LaunchStage.LISTED)
"""The stages in which chunks are launched."""


class MailingId(NamedTuple):
    """A row of START_MAILINGS."""

    id: int


class Launching(NamedTuple):
    """A row of FIND_LAUNCHING."""

    id: int
    stage: str


class Status(NamedTuple):
    """The row of END_UNLISTED."""

    status: str


class Progress(NamedTuple):
    """A row of READ_LAUNCH."""

    mark: str
    last_client_id: int
    max_client_id: int
    route_id: int | None
    exclude_unknown_after: int | None
    only_path: int | None
    is_dense: bool
    """Whether the audience, so far, has most of the clients."""
    kind: str
    requires_consent: bool
    has_local_window: bool
    has_suppressions: bool
    """Whether any number is suppressed."""


class Chunk(NamedTuple):
    """A row of LAUNCH_CHUNK: the result of launching one chunk."""

    mailing_id: int
    added: int
    launched: bool
    audience: int


class Launcher:
    """Starts and launches mailings. For one thread."""

    def __init__(self, database: Database, chunk: int, on_unlisted: Callable[[], None] = lambda: None) -> None:
        """`chunk`: clients turned into messages in one transaction. `on_unlisted` is called at every check that finds
        an audience to list."""
        self._database = database
        self._chunk = chunk
        self._on_unlisted = on_unlisted
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
        found = self._database.transaction(self._find)
        stages = {mailing.id: LaunchStage(mailing.stage) for mailing in found}
        if LaunchStage.UNLISTED in stages.values():
            self._on_unlisted()
        for mailing_id, stage in stages.items():
            if stage is LaunchStage.MISSED:
                self._end_unlisted(mailing_id)
        ready = {mailing_id: stage for mailing_id, stage in stages.items() if stage in READY}
        self.launching = bool(ready)
        return bool(ready) and self._launch_any(ready)

    def _find(self, cursor: Cursor) -> list[Launching]:
        cursor.execute(mailings.FIND_LAUNCHING)
        return fetch_all(cursor, Launching)

    def _launch_any(self, ready: dict[int, LaunchStage]) -> bool:
        try:
            chunk = self._database.transaction(partial(self._launch_next, ready))
        except UniqueViolation:
            log.warning("launch.repeated")  # last_client_id was decreased by hand
            chunk = self._database.transaction(partial(self._launch_next, ready, again=True))
        if chunk is None:
            return False
        log.debug("launch.chunk_added", extra={"mailing_id": chunk.mailing_id, "messages": chunk.added})
        if chunk.launched:
            log.info("mailing.launched", extra={"mailing_id": chunk.mailing_id, "audience": chunk.audience})
        return True

    def _launch_next(self, ready: dict[int, LaunchStage], cursor: Cursor, *, again: bool = False) -> Chunk | None:
        for mailing_id, stage in ready.items():
            cursor.execute(mailings.LOCK_LAUNCH, {"mailing_id": mailing_id})
            if cursor.fetchone() == (True,):
                return self._launch_chunk(cursor, mailing_id, stage, again=again)
        return None

    def _launch_chunk(self, cursor: Cursor, mailing_id: int, stage: LaunchStage, *, again: bool) -> Chunk | None:
        cursor.execute(mailings.READ_LAUNCH, {"mailing_id": mailing_id})
        progress = fetch_one(cursor, Progress)
        if progress is None:  # another worker has just launched the last chunk
            return None
        cursor.execute(mailings.COMMIT_WITHOUT_WAITING)
        statement = _statement(stage, dense=progress.is_dense, again=again)
        cursor.execute(statement, {"mailing_id": mailing_id, "chunk": self._chunk, **progress._asdict()})
        return fetch_one(cursor, Chunk)

    def _end_unlisted(self, mailing_id: int) -> None:
        """Ends the launch of a mailing that can't have messages any more."""

        def work(cursor: Cursor) -> Status | None:
            cursor.execute(mailings.LOCK_MAILING, {"mailing_id": mailing_id})
            cursor.execute(audiences.END_UNLISTED, {"mailing_id": mailing_id})
            ended = fetch_one(cursor, Status)
            if ended is not None:
                cancelled = ended.status == MailingStatus.CANCELLED
                missed = EventDetail.AUDIENCE_CANCELLED() if cancelled else EventDetail.AUDIENCE_MISSED()
                add_event(cursor, mailing_id, "launch", missed)
            return ended

        if self._database.transaction(work) is not None:
            log.warning("audience.missed", extra={"mailing_id": mailing_id})


def _statement(stage: LaunchStage, *, dense: bool, again: bool) -> str:
    """The statement that launches a chunk; `again`, the one for an audience of whom some have a message."""
    if stage is LaunchStage.BY_MARK and dense and not again:
        return mailings.LAUNCH_DENSE_CHUNK
    if stage is LaunchStage.BY_MARK:
        return mailings.LAUNCH_CHUNK_AGAIN if again else mailings.LAUNCH_CHUNK
    return audiences.LAUNCH_LISTED_CHUNK_AGAIN if again else audiences.LAUNCH_LISTED_CHUNK
