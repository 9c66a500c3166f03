"""The directory as a file: what comes in, and what goes out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from api.audit.recording import record_on
from api.clients.cells import guarded
from api.clients.staging import FaultyRow, Merged, Staging
from api.clients.upload import COLUMNS, Row
from api.clients.verdicts import Fault, Judge
from shared.models import Client
from shared.phone_numbers import PhoneNumbers

PAGE = 1_000
"""Clients read in one statement of an export."""
MAX_SHOWN = 200
"""Characters of a wrong field that are kept, to know it by."""


class Imported(NamedTuple):
    """How many rows of a file were new clients, changes, nothing new, and wrong."""

    added: int
    changed: int
    unchanged: int
    rejected: int

    def plus(self, merged: Merged) -> Imported:
        """The sums with the rows of one more statement."""
        return Imported(
            self.added + merged.added,
            self.changed + merged.changed,
            self.unchanged + merged.unchanged,
            self.rejected + merged.repeated,
        )


def import_clients(staging: Staging, rows: Iterable[Row], numbers: PhoneNumbers) -> Imported:
    """Reads all rows, then takes the good ones into the directory; what was wrong stays in `staging`.

    `numbers` reads their phone numbers.

    A failure before the last row was read has changed nothing; one after that may have taken over a part. Each
    transaction that changes the directory has an entry in the audit, with the counts since the entry before it.
    """
    judge, rejected = Judge(numbers), 0
    for line, row in rows:
        verdict = judge(row)
        if isinstance(verdict, tuple):
            staging.add(line, verdict)
        else:
            rejected += 1
            _refuse(staging, line, row, verdict)
    imported = unrecorded = Imported(0, 0, 0, rejected)

    def record(connection: Connection, merged: Merged) -> None:
        if merged.added or merged.changed:
            record_on(connection, unrecorded.plus(merged)._asdict())

    for merged in staging.merge(record):
        imported = imported.plus(merged)
        recorded = merged.added or merged.changed
        unrecorded = Imported(0, 0, 0, 0) if recorded else unrecorded.plus(merged)
    return imported


def faults_as_csv(faults: Iterable[FaultyRow]) -> Iterator[str]:
    """What is wrong with which row, as a CSV file in pieces."""
    yield _csv([("line", "field", "reason", *COLUMNS)])
    for fault in faults:
        line, _, *texts = fault
        yield _csv([(line, *map(guarded, map(str, texts)))])


def clients_as_csv(pages: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The directory as a CSV file in pieces, which an import takes again."""
    yield _csv([COLUMNS])
    for page in pages:
        yield _csv((phone, code, guarded(tag), timezone) for _, phone, code, tag, timezone in page)


def clients_as_ndjson(pages: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The directory as one JSON object a line, which an import takes again."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for page in pages:
        yield "".join([encode(dict(zip(COLUMNS, client[1:], strict=True))) + "\n" for client in page])


def pages_of_clients(engine: Engine) -> Iterator[Sequence[Any]]:
    """All clients by their ids, each with its id before the columns of a file.

    No transaction is open between two pages, however slowly the caller reads: each page is of its own moment.
    """
    last = 0
    wanted = select(Client.id, *(getattr(Client, name) for name in COLUMNS)).order_by(Client.id).limit(PAGE)
    while True:
        with engine.connect() as connection:
            page = connection.execute(wanted.where(Client.id > last)).all()
        if not page:
            return
        yield page
        last = page[-1].id


def _refuse(staging: Staging, line: int, row: Any, faults: Sequence[Fault]) -> None:
    fields = row if isinstance(row, dict) else {}
    cells = [_shown(fields.get(name, "")) for name in COLUMNS]
    for place, (field, reason) in enumerate(faults):
        staging.refuse(FaultyRow(line, place, field[:MAX_SHOWN], reason, *cells))


def _shown(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:MAX_SHOWN]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
