"""Receipts and inbound messages as rows: the API adds those of callbacks, workers those of polls."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import uuid4

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.answer_fields import ID_LIMIT, SAME_END, digits_of, id_of
from shared.gateways.base import InboundPart, Receipt
from shared.gateways.callbacks import LONGEST_CODE
from shared.gateways.sanitize import redact
from shared.json_parameter import json_parameter

MAX_RAW = 1000
"""Characters of a callback that are kept beside its receipts."""

MAX_PARTS = 255
"""Of a message in parts: the number is one byte (3GPP TS 23.040, 9.2.3.24.1)."""

MAX_INBOUND_TEXT = 10_000
"""Characters of a part. Longer ones are cut: no phone network sends as many."""

MIN_YEAR, MAX_YEAR = 1970, 2999
"""Times outside are no times of messages, and at the ends of the calendar other time zones cannot express them."""

NUMBERS = re.compile(r"\d{7,}")

SORTED_JSON = json.JSONEncoder(sort_keys=True)
"""Kept, since json.dumps would make another one for each row."""


def receipt_rows(gateway_id: int, receipts: Iterable[Receipt], raw: str = "", secrets: Collection[str] = ()) -> str:
    """The rows of ADD_RECEIPTS, as JSON. Those that name no message are left out.

    `raw` is the callback as it came; of it the beginning is kept, without the secrets and without long numbers.
    """
    kept = NUMBERS.sub("…", redact(raw, secrets, limit=MAX_RAW)) or None
    rows = (_receipt_row(gateway_id, receipt, kept) for receipt in receipts)
    return json_parameter([row for row in rows if row is not None])


def _receipt_row(gateway_id: int, receipt: Receipt, raw: str | None) -> dict[str, object] | None:
    named = id_of(receipt.provider_message_id)
    if receipt.message_id is None and named is None:
        return None
    undelivered = receipt.state is ReceiptState.UNDELIVERED
    reason = (receipt.reason or UndeliveredReason.OTHER) if undelivered else None
    parts = receipt.parts if receipt.parts is not None and 1 <= receipt.parts <= MAX_PARTS else None
    said = {
        "message_id": receipt.message_id,
        "provider_message_id": named,
        "part": id_of(receipt.part),
        "parts": parts,
        "state": receipt.state,
        "reason": reason,
        "code": redact(receipt.code or "", (), limit=LONGEST_CODE) or None,
        "words": receipt.words or None,
        "event_at": _iso(receipt.at),
        "recipient": _comparable(receipt.recipient),
    }
    return {**said, "gateway_id": gateway_id, "fingerprint": _fingerprint(said), "raw": raw}


def inbound_rows(gateway_id: int, parts: Iterable[InboundPart]) -> str:
    """The rows of ADD_INBOUND, as JSON.

    A repeated callback has the same fingerprint, which is of the provider's id and what was written: an id that
    occurs again, for another text, is no repetition. Without an id it is of everything that the provider said, if
    that includes a time; else every callback is another message. It has a fingerprint all the same: the rows may be
    added again if their commit was not acknowledged.
    """
    return json_parameter([_inbound_row(gateway_id, part) for part in parts])


def _inbound_row(gateway_id: int, part: InboundPart) -> dict[str, object]:
    parts = min(max(part.parts, 1), MAX_PARTS)
    row: dict[str, object] = {
        "sender": _storable(part.sender, ID_LIMIT),
        "recipient": _storable(part.recipient, ID_LIMIT),
        "text": _storable(part.text, MAX_INBOUND_TEXT),
        "provider_message_id": id_of(part.provider_message_id),
        "sent_at": _iso(part.at),
        "reference": id_of(part.reference),
        "part": min(max(part.part, 1), parts),
        "parts": parts,
    }
    same = ("provider_message_id", "sender", "text", "part") if row["provider_message_id"] else tuple(row)
    recognised = row["provider_message_id"] is not None or row["sent_at"] is not None
    fingerprint = _fingerprint({name: row[name] for name in same}) if recognised else uuid4().hex
    return {**row, "gateway_id": gateway_id, "fingerprint": fingerprint}


def _comparable(phone_number: str | None) -> str | None:
    """The digits of a phone number as a provider wrote it; None if they are too few to compare."""
    digits = digits_of(phone_number)
    return digits if SAME_END <= len(digits) <= ID_LIMIT else None


def _storable(text: str, limit: int) -> str:
    """Without NUL and halves of surrogate pairs, which PostgreSQL cannot store."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:limit]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None and MIN_YEAR <= at.year <= MAX_YEAR else None


def _fingerprint(said: Mapping[str, object]) -> str:
    return hashlib.md5(SORTED_JSON.encode(said).encode(), usedforsecurity=False).hexdigest()
