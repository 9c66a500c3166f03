"""SMS.ru: what it reports, in forms with `data[0]`, `data[1]`, … and `hash`.

Sources: the vendor's handler as public programs have it (avshatalov48/bitrix-core-business:
modules/messageservice/tools/callback_smsru.php, and the Ruby and PHP clients of sms.ru/api/callback): each entry has
the lines `sms_status`, the id, the status, and the time in seconds since 1970; `hash` is the SHA-256 of `api_id` and
all entries; an answer other than `100` counts as a failure. Other entries are `callcheck_status` and `test`. Forms come
as multipart/form-data or URL-encoded.

Not verified: all of it against an account. What SMS.ru sends of inbound messages is in none of the sources, so they are
not read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from shared.gateways.answer_fields import code_of, fields_of
from shared.gateways.base import MAX_FIELDS, Callback, CallbackAnswer, Receipt, Response
from shared.gateways.callbacks import Meaning, all_readable, check_signature, pairs_of, receipt_of, unix_time_of
from shared.gateways.http_statuses import json_object

STATUSES: Mapping[str, Meaning] = {
    "-1": Meaning.NOT_KNOWN,  # not found
    **dict.fromkeys(("100", "101", "102"), Meaning.ON_ITS_WAY),
    **dict.fromkeys(("103", "110"), Meaning.DELIVERED),  # delivered, read
    "104": Meaning.EXPIRED,
    "105": Meaning.REJECTED,  # deleted by the operator
    "106": Meaning.OTHER,  # a failure in the phone
    "107": Meaning.OTHER,  # for an unknown reason
    "108": Meaning.REJECTED,
    "150": Meaning.REJECTED,  # no route
    "202": Meaning.UNKNOWN_SUBSCRIBER,  # the number is wrong
    **dict.fromkeys(("207", "214"), Meaning.REJECTED),  # no route, a number abroad
    **dict.fromkeys(("209", "215"), Meaning.OPTED_OUT),  # our own list, and that of SMS.ru
    **dict.fromkeys(("230", "231", "232", "233"), Meaning.BLOCKED),  # limits of a number
}
"""The statuses of sms.ru/api/status."""

_ENTRY = re.compile(r"data(\[\d*\])?")
_BOUNDARY = re.compile(r'multipart/form-data\s*;.*\bboundary="?([^";,\s]{1,70})', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"\r\n]*)"')


class SmsruCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = CallbackAnswer(b"100")

    _api_id: str

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipts of a callback."""
        pairs = _multipart_pairs_of(callback) or pairs_of(callback)
        entries = [value for name, value in pairs if _ENTRY.fullmatch(name)]
        ours = hashlib.sha256(f"{self._api_id}{''.join(entries)}".encode()).hexdigest()
        check_signature(ours, dict(pairs).get("hash"))
        lines = [[line.strip() for line in entry.split("\n")] for entry in entries]
        told = [entry for entry in lines if entry[0] == "sms_status" and len(entry) >= 3]
        return all_readable(told, lambda entry: _receipt_of(*entry[1:4]))

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipts of an answer to /sms/status."""
        payload = fields_of(json_object(response.body))
        code = code_of(payload.get("status_code"))
        if response.status != 200 or code != "100":
            raise ValueError(f"SMS.ru does not tell the statuses of messages: {code or response.status}.")
        found: list[Receipt] = []
        for sms_id, entry in fields_of(payload.get("sms")).items():
            if status := code_of(fields_of(entry).get("status_code")):
                found.append(_receipt_of(sms_id, status))
        return found


def _receipt_of(sms_id: str, status: str, timestamp: str = "") -> Receipt:
    if not code_of(status):
        raise ValueError("The receipt has no status.")
    meaning = STATUSES.get(status, Meaning.ON_ITS_WAY)
    return receipt_of(meaning, provider_message_id=sms_id, code=status, at=unix_time_of(timestamp))


def _multipart_pairs_of(callback: Callback) -> list[tuple[str, str]]:
    """The fields of multipart/form-data (RFC 7578); none if it is something else."""
    boundary = _BOUNDARY.match(callback.headers.get("content-type", ""))
    if not boundary:
        return []
    pairs = []
    for part in callback.body.split(b"--" + boundary[1].encode(), MAX_FIELDS)[1:]:
        head, _, value = part.partition(b"\r\n\r\n")
        if name := _NAME.search(head):
            pairs.append((name[1], value.removesuffix(b"\r\n")))
    try:
        return [(name.decode(), value.decode()) for name, value in pairs]
    except UnicodeDecodeError as error:
        raise ValueError("The body is not UTF-8.") from error
