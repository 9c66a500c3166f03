"""How many parts messages have, for receipts of single parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.templates import RenderError
from shared.domain.text_segments import count_segments
from shared.sql import receipts
from worker.maintenance.folded_messages import MessageRow, ReceiptRow
from worker.parameters import bounded
from worker.rows import fetch_all
from worker.text_cache import Key, read_texts


class CountedRow(NamedTuple):
    """A row of READ_SEGMENTS."""

    message_id: int
    segments: int


MAX_TEXTS = 1000
"""Texts whose number of segments is kept."""


class PartCounts:
    """Finds the numbers of parts. For one thread."""

    def __init__(self) -> None:
        self._of_texts: dict[Key, int] = {}

    def read(self, cursor: Cursor, messages: Collection[MessageRow], rows: Iterable[ReceiptRow]) -> dict[int, int]:
        """By the message's id, for those that have a receipt of a part: as the provider counted when it accepted them.

        It may not have done so, or its answer was lost, and the receipts that have come cannot tell how many will: if
        they do not say it either, it is counted in the text.
        """
        split: dict[int, bool] = {}
        for row in rows:
            if row.part is not None:
                split[row.message_id] = split.get(row.message_id, False) or row.parts is not None
        if not split:
            return {}
        cursor.execute(receipts.READ_SEGMENTS, bounded(split))
        counts = dict(fetch_all(cursor, CountedRow))
        unknown = {message_id for message_id, said in split.items() if not said and message_id not in counts}
        texts: dict[int, Key] = {}
        filled: dict[int, tuple[Key, Sequence[str | None]]] = {}
        for message in messages:
            if message.id in unknown and message.text_revision is not None:
                key = (message.mailing_id, message.text_revision)
                if message.text_values is None:
                    texts[message.id] = key
                else:
                    filled[message.id] = key, message.text_values
        self._count(cursor, set(texts.values()))
        in_texts = {id_: self._of_texts[key] for id_, key in texts.items() if key in self._of_texts}
        return {**counts, **in_texts, **_count_filled(cursor, filled)}

    def _count(self, cursor: Cursor, keys: set[Key]) -> None:
        if missing := keys - self._of_texts.keys():
            if len(self._of_texts) + len(missing) > MAX_TEXTS:
                self._of_texts.clear()
                missing = keys
            read = read_texts(cursor, missing)
            self._of_texts.update((key, count_segments(text.text)) for key, text in read.items())


def _count_filled(cursor: Cursor, filled: Mapping[int, tuple[Key, Sequence[str | None]]]) -> dict[int, int]:
    """The numbers of segments of messages whose texts are templates, by their texts and values."""
    texts = read_texts(cursor, {key for key, _ in filled.values()}) if filled else {}
    counts = {}
    for message_id, (key, values) in filled.items():
        with suppress(KeyError, RenderError):
            counts[message_id] = count_segments(texts[key].body(values))
    return counts
