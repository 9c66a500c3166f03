"""A cache of the texts of mailings: a revision never changes, so it is read once, not once per message.

A template is compiled once, too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.templates import StoredText
from worker.database import Database
from worker.rows import fetch_all

MAX_ENTRIES = 1000
"""Texts in the cache: of up to 1,600 characters each, so a few megabytes at most, and templates a few times that."""

READ_TEXTS = """
SELECT mailing_id, revision, text, fields, field_types::text[]
FROM mailing_text JOIN unnest(%s::bigint[], %s::int[]) AS wanted(mailing_id, revision) USING (mailing_id, revision)
"""

Key = tuple[int, int]


class TextRow(NamedTuple):
    """A row of READ_TEXTS."""

    mailing_id: int
    revision: int
    text: str
    fields: list[str] | None
    field_types: list[str] | None


class TextCache:
    """Texts by (mailing id, revision); the least recently used are dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[Key, StoredText] = OrderedDict()

    def get_many(self, keys: set[Key]) -> dict[Key, StoredText]:
        """The texts of these revisions; those that do not exist are left out."""
        missing = keys - self._known.keys()
        if missing:
            self._known.update(self._read(missing))
        texts = {key: self._known[key] for key in keys if key in self._known}
        for key in texts:
            self._known.move_to_end(key)
        while len(self._known) > max(MAX_ENTRIES, len(keys)):
            self._known.popitem(last=False)
        return texts

    def _read(self, keys: set[Key]) -> dict[Key, StoredText]:
        return self._database.transaction(lambda cursor: read_texts(cursor, keys))


def read_texts(cursor: Cursor, keys: set[Key]) -> dict[Key, StoredText]:
    """The texts of these revisions, of which there is at least one; those that do not exist are left out."""
    mailing_ids, revisions = zip(*keys, strict=True)
    cursor.execute(READ_TEXTS, (list(mailing_ids), list(revisions)))
    return {
        (row.mailing_id, row.revision): StoredText(row.text, row.fields, row.field_types)
        for row in fetch_all(cursor, TextRow)
    }
