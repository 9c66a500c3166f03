"""A cache of the texts of mailings: a revision never changes, so it is read once, not once per message."""

from __future__ import annotations

from collections import OrderedDict

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from worker.database import Database

MAX_ENTRIES = 1000
"""Texts in the cache: of up to 1,600 characters each, so a few megabytes at most."""

READ_TEXTS = """
SELECT mailing_id, revision, text
FROM mailing_text JOIN unnest(%s::bigint[], %s::int[]) AS wanted(mailing_id, revision) USING (mailing_id, revision)
"""

Key = tuple[int, int]


class TextCache:
    """Texts by (mailing id, revision); the least recently used are dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[Key, str] = OrderedDict()

    def get_many(self, keys: set[Key]) -> dict[Key, str]:
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

    def _read(self, keys: set[Key]) -> dict[Key, str]:
        mailing_ids, revisions = zip(*keys, strict=True)

        def work(cursor: Cursor) -> dict[Key, str]:
            cursor.execute(READ_TEXTS, (list(mailing_ids), list(revisions)))
            return {(mailing_id, revision): text for mailing_id, revision, text in cursor.fetchall()}

        return self._database.transaction(work)
