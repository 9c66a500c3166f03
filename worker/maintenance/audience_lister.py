"""Listing the audiences that are segments, or leave segments out: the first step of their launch.

It takes one transaction, which may be long: it has a connection and a thread of its own (long_duty_thread.py), so that
other mailings are launched meanwhile. One worker at a time lists an audience. If that fails, the mailing is paused, and
its history says why.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.field_types import FieldType
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import Field, known_fields, mailings_of
from shared.domain.segments.tree_json import from_json
from shared.domain.sentences import ErrorCode, EventDetail, Sentence
from shared.json_parameter import json_parameter
from shared.sql import audiences, mailings
from shared.sql.segments import READ_FIELDS
from worker.database import TRANSIENT_ERRORS, Database
from worker.maintenance.launcher import Launching, LaunchStage
from worker.maintenance.mailing_history import add_event
from worker.parameters import bigints
from worker.rows import fetch_all, fetch_one

log = logging.getLogger(__name__)


class Audience(NamedTuple):
    """The row of READ_AUDIENCE."""

    mark: str
    max_client_id: int
    exclude_unknown_after: int | None
    segment: str | None
    tree: dict[str, Any] | None
    excluded: list[dict[str, Any]]
    """Objects with `id` and `tree`."""
    today: date


class DeclaredField(NamedTuple):
    """A row of READ_FIELDS."""

    name: str
    type: str
    repeats_yearly: bool


class Listed(NamedTuple):
    """The row of FREEZE_AUDIENCE."""

    clients: int


class RemovedLedger(NamedTuple):
    """The row of FIND_REMOVED_LEDGER."""

    mailing_id: int


class UnusableSegmentError(Exception):
    """A segment by which no audience can be listed."""

    def __init__(self, detail: Sentence) -> None:
        super().__init__(str(detail))
        self.detail = detail


class AudienceLister:
    """Lists audiences. For one thread."""

    def __init__(
        self, database: Database, *, chunk: int, timeout: float, on_listed: Callable[[], None] = lambda: None
    ) -> None:
        """`chunk`: clients turned into messages in one transaction. `timeout`: seconds that listing one audience may
        take. `on_listed` is called once there are chunks to launch. The transactions of `database` must be allowed to
        take longer than `timeout`.
        """
        self._database = database
        self._chunk = chunk
        self._timeout = timeout
        self._on_listed = on_listed

    def run(self) -> None:
        """Lists, or fails to list, each audience that no other worker is listing."""
        for mailing_id in self._database.transaction(self._find):
            begun = time.monotonic()
            result = self._database.transaction(partial(self._list, mailing_id))
            if isinstance(result, Listed):
                seconds = round(time.monotonic() - begun, 3)
                log.info(
                    "audience.listed",
                    extra={"mailing_id": mailing_id, "clients": result.clients, "seconds": seconds},
                )
                self._on_listed()
            elif result is not None:
                log.error("audience.failed", extra={"mailing_id": mailing_id, "reason": str(result)})

    def close(self) -> None:
        """Closes the connection."""
        self._database.close()

    def _find(self, cursor: Cursor) -> list[int]:
        cursor.execute(mailings.FIND_LAUNCHING)
        found = fetch_all(cursor, Launching)
        return [mailing.id for mailing in found if mailing.stage == LaunchStage.UNLISTED]

    def _list(self, mailing_id: int, cursor: Cursor) -> Listed | Sentence | None:
        """Lists one audience. Returns why it failed if it did; None if another worker lists it, or has."""
        mailing = {"mailing_id": mailing_id}
        cursor.execute(mailings.LOCK_LAUNCH, mailing)
        if cursor.fetchone() != (True,):
            return None
        cursor.execute(audiences.READ_AUDIENCE, mailing)
        audience = fetch_one(cursor, Audience)
        if audience is None:
            return None
        # The launch stays locked, so that no other worker lists it before the failure is recorded.
        cursor.execute("SAVEPOINT listing")
        try:
            return self._insert(cursor, mailing_id, audience)
        except UnusableSegmentError as error:
            failed = error.detail
        except errors.QueryCanceled:
            failed = EventDetail.AUDIENCE_TIMED_OUT(seconds=round(self._timeout))
        except Exception as error:
            if isinstance(error, TRANSIENT_ERRORS) and not isinstance(error, errors.StatementTooComplex):
                raise
            # A bug, or what this server can't do: other audiences are listed meanwhile.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("audience.error", extra={"mailing_id": mailing_id, "error": type(error).__name__, "where": where})  # noqa: TRY400
            failed = EventDetail.AUDIENCE_NOT_LISTED(error=type(error).__name__)
        cursor.execute("ROLLBACK TO SAVEPOINT listing")
        cursor.execute(mailings.LOCK_MAILING, mailing)
        cursor.execute(audiences.FAIL_AUDIENCE, mailing)
        add_event(cursor, mailing_id, "launch", failed)
        return failed

    def _insert(self, cursor: Cursor, mailing_id: int, audience: Audience) -> Listed | None:
        cursor.execute(READ_FIELDS)
        fields = known_fields(
            Field(field.name, FieldType(field.type), field.repeats_yearly) for field in fetch_all(cursor, DeclaredField)
        )
        matching, parameters = _condition(audience, fields)
        cursor.execute(audiences.LIMIT_TIME, {"milliseconds": round(self._timeout * 1000)})
        cursor.execute(
            audiences.LIST_AUDIENCE.format(condition=matching),
            {"mailing_id": mailing_id, "chunk": self._chunk, **audience._asdict(), **parameters},
        )
        _check_ledgers(cursor, audience)
        # After the listing: claims and people never wait for that.
        cursor.execute(mailings.LOCK_MAILING, {"mailing_id": mailing_id})
        stored = {
            "segment": audience.segment,
            "tree": None if audience.tree is None else json_parameter(audience.tree),
            "excluded": json_parameter(audience.excluded),
        }
        cursor.execute(audiences.FREEZE_AUDIENCE, {"mailing_id": mailing_id, **stored})
        return fetch_one(cursor, Listed)


def _condition(audience: Audience, fields: dict[str, Field]) -> tuple[str, dict[str, Any]]:
    """The clients of the audience as an expression with its parameters. Raises UnusableSegmentError."""
    for excluded in audience.excluded:
        if excluded["tree"] is None:
            raise UnusableSegmentError(EventDetail.AUDIENCE_SEGMENT_REMOVED(segment=excluded["id"]))
    try:
        tree = None if audience.tree is None else from_json(audience.tree)
        trees = [from_json(excluded["tree"]) for excluded in audience.excluded]
        return audiences.audience_condition(audience.mark, tree, trees, fields, audience.today)
    except SegmentError as error:
        raise UnusableSegmentError(_unusable(error.fault)) from error


def _check_ledgers(cursor: Cursor, audience: Audience) -> None:
    """Raises UnusableSegmentError if a condition names a mailing whose messages are gone.

    It would not hold for those whom `not received mailing 41` is to leave out.
    """
    trees = [audience.tree, *(excluded["tree"] for excluded in audience.excluded)]
    named = {named for tree in trees if tree is not None for named in mailings_of(from_json(tree))}
    if named:
        cursor.execute(audiences.FIND_REMOVED_LEDGER, {"ids": bigints(named)})
        removed = fetch_one(cursor, RemovedLedger)
        if removed is not None:
            raise UnusableSegmentError(EventDetail.AUDIENCE_LEDGER_REMOVED(mailing=removed.mailing_id))


def _unusable(fault: Sentence) -> Sentence:
    if fault.code in (ErrorCode.SEGMENT_FIELD_LIKE, ErrorCode.SEGMENT_NO_SUCH_FIELD):
        return EventDetail.AUDIENCE_FIELD_REMOVED(field=fault.parameters["name"])
    return EventDetail.AUDIENCE_SEGMENT_UNUSABLE(fault=str(fault))
