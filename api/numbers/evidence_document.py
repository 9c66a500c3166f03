"""The document with all that is known about a phone number.

It is written to a file while one snapshot is read, and sent from there: what it says was true at one moment, an error
is still reported as such, and a slow reader keeps no transaction open.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

from api.audit.recorder import add_entry
from api.erased_numbers.hashes import number_hasher
from api.extensions import db
from api.http.fields import written
from api.numbers.evidence_parts import ABOUT_ALL, PARTS, Row, Subject
from api.principal import current_principal
from shared.logs import mask_phone
from shared.version import VERSION

IN_MEMORY = 2**20
"""Bytes of a document that are kept in memory; a longer one is in a temporary file."""

CHUNK = 2**16
"""Bytes that are sent at once."""

NOTES = {
    "nothing_known": "Nothing is known about this number.",
    "something_known": "All that Gonets has recorded about this number. Times are in UTC.",
    "ledgers_removed": "The messages of the mailings in removed_ledgers were removed when their retention time was "
    "over. Whether this number was among the recipients is not known any more; the counts are of all recipients.",
    "erased": "Data about this number was erased. Messages from before are not known to be to it any more.",
    "imports": "Changes of the client by imports are in the audit log as one entry for many clients, and not here.",
}
"""What a reader has to know, in the words of the JSON document."""

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


class Made(NamedTuple):
    """Who made a document, when, and what it has."""

    phone_number: int
    made_at: datetime
    made_by: str
    counts: dict[str, int]
    """Rows by part."""

    @property
    def is_anything_known(self) -> bool:
        """Whether a part that is about the number alone has a row."""
        return any(count for part, count in self.counts.items() if part not in ABOUT_ALL)

    @property
    def notes(self) -> list[str]:
        """The names of the notes that apply."""
        applies = {
            "nothing_known": not self.is_anything_known,
            "something_known": self.is_anything_known,
            "ledgers_removed": self.counts["removed_ledgers"] > 0,
            "erased": self.counts["erasures"] > 0,
            "imports": self.counts["clients"] > 0,
        }
        return [name for name in NOTES if applies[name]]


class Evidence:
    """Reading of all parts about a number, in one snapshot. To be read to its end once."""

    def __init__(self, phone_number: int) -> None:
        hasher = number_hasher()
        self._subject = Subject(phone_number, hasher.all(phone_number))
        self._counts: Counter[str] = Counter(dict.fromkeys(PARTS, 0))

    def rows(self) -> Iterator[tuple[str, Row]]:
        """The rows of all parts, each with the name of its part, part by part."""
        for name, part in PARTS.items():
            for row in part(self._subject):
                self._counts[name] += 1
                yield name, row

    def made(self, made_at: datetime) -> Made:
        """What was made, after the rows were read."""
        return Made(self._subject.phone_number, made_at, current_principal().name, dict(self._counts))


def record_reading(phone_number: int) -> None:
    """Adds the entry of this reading to the audit, and commits."""
    add_entry("getNumberEvidence", current_principal(), detail={"phone_number": mask_phone(phone_number)})
    db.session.commit()


@contextmanager
def snapshot() -> Iterator[datetime]:
    """One snapshot for all reads of the session in the block; its time.

    The connection of a request that reads is in autocommit (api/database_pool.py), so this is its only transaction.
    """
    connection = db.session.connection()
    connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        yield connection.exec_driver_sql("SELECT now()").scalar_one()
    finally:
        connection.exec_driver_sql("ROLLBACK")


def json_document(phone_number: int) -> IO[bytes]:
    """The document as JSON, at its beginning: what it is and its counts, then the parts."""
    with temporary_file() as parts:
        with snapshot() as made_at:
            evidence = Evidence(phone_number)
            last = ""
            for name, row in evidence.rows():
                parts.write(_opening(name, last) + _ENCODE(row).encode())
                last = name
            made = evidence.made(made_at)
        empty: dict[str, list[Row]] = {name: [] for name, count in made.counts.items() if not count}
        head = _ENCODE(_head(made) | empty)[:-1].encode()
        document = temporary_file()
        document.write(head)
        parts.seek(0)
        shutil.copyfileobj(parts, document)
        document.write(b"]}" if last else b"}")
    document.seek(0)
    return document


def _opening(name: str, last: str) -> bytes:
    if name == last:
        return b","
    return b'%s,"%s":[' % (b"]" if last else b"", name.encode())


def sent_in_chunks(document: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a document from its present position on. It is closed at their end."""
    with document:
        while chunk := document.read(CHUNK):
            yield chunk


def _head(made: Made) -> dict[str, Any]:
    return {
        "phone_number": made.phone_number,
        "made_at": written(made.made_at),
        "made_by": made.made_by,
        "gonets_version": VERSION,
        "is_anything_known": made.is_anything_known,
        "notes": [NOTES[name] for name in made.notes],
        "counts": made.counts,
    }


def temporary_file() -> IO[bytes]:
    """A file that is removed when it is closed."""
    return SpooledTemporaryFile(max_size=IN_MEMORY)
