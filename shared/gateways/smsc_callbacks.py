"""SMSC.ru: what it reports to the address in the account's settings, by GET or as a form, and when it is asked.

Sources: smsc.ru/api/http/status_messages/ (the statuses and errors, as public programs have them), the callbacks and
the signature as public programs read them: `id, phone, status, time, ts, err, md5, sha1`, where `md5` and `sha1` are
the digests of `id:phone:status:secret` in hexadecimal. The secret is the one in the account's settings.

- The signature does not cover the error and the time.
- `id` is ours if it was small enough to be sent. Otherwise it is SMSC.ru's, which may be equal to another id of ours:
  so the core compares the recipient.

Not verified: all of it against an account; that `ts` are seconds since 1970; that a comma at the end of `phone` and
`id` makes status.php answer with a list that names ids. What SMSC.ru sends of inbound messages is in none of the
sources, so they are not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from shared.domain.delivery import ReceiptState
from shared.gateways.answer_fields import Fields, code_of, fields_of, line_of, objects_of
from shared.gateways.base import Callback, CallbackAnswer, CallbackRejectedError, Receipt, Response, message_id_of
from shared.gateways.callbacks import Meaning, check_signature, form_of, receipt_of, unix_time_of
from shared.gateways.http_statuses import json_value

STATUSES: Mapping[str, Meaning] = {
    "-3": Meaning.NOT_KNOWN,  # not found
    # -2: the mailing was stopped for some time; -1: waits; 0: passed on to the operator.
    **dict.fromkeys(("-2", "-1", "0"), Meaning.ON_ITS_WAY),
    # Delivered, read, and a link in it was opened.
    **dict.fromkeys(("1", "2", "4"), Meaning.DELIVERED),
    "3": Meaning.EXPIRED,
    "20": Meaning.OTHER,  # cannot be delivered
    "22": Meaning.UNKNOWN_SUBSCRIBER,  # the number is wrong
    "23": Meaning.BLOCKED,  # forbidden, as a repetition or spam
    "24": Meaning.REJECTED,  # no money
    "25": Meaning.REJECTED,  # the number takes no texts, or there is no route
}
"""By `status`."""

ERRORS: Mapping[str, Meaning] = {
    "1": Meaning.UNKNOWN_SUBSCRIBER,
    "6": Meaning.EXPIRED,  # not in the network
    "11": Meaning.UNKNOWN_SUBSCRIBER,  # no such service
    "13": Meaning.BLOCKED,  # the subscriber is barred
    "21": Meaning.UNKNOWN_SUBSCRIBER,  # no support of the service
    "237": Meaning.EXPIRED,  # does not answer
    "245": Meaning.NOT_KNOWN,  # no status was received
    # No contract, a limit, no route, a sender id that is not registered, rejected by the operator.
    **dict.fromkeys(("243", "247", "248", "254", "255"), Meaning.REJECTED),
    "249": Meaning.UNKNOWN_SUBSCRIBER,  # the form of the number
    # By our settings, a limit of the number, a forbidden number, a filter of spam.
    **dict.fromkeys(("250", "251", "252", "253"), Meaning.BLOCKED),
}
"""By `err` of an undelivered message, where it says more than the status."""

LARGEST_ID = 2147483647
"""The largest id that SMSC.ru takes from us."""


class SmscCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = CallbackAnswer(b"OK")

    _callback_secret: str
    """Empty if callbacks are not signed."""

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a callback; none for an inbound message."""
        fields = form_of(callback)
        if self._callback_secret:
            _check(fields, self._callback_secret)
        if "mes" in fields and "status" not in fields:
            return []
        return [_receipt_of(fields, unix_time_of(fields.get("ts")))]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipts of an answer to status.php."""
        payload = json_value(response.body)
        entries = objects_of(payload)
        if response.status != 200 or entries is None:
            code = code_of(fields_of(payload).get("error_code"))
            raise ValueError(f"SMSC.ru does not tell the statuses of messages: {code or response.status}.")
        known = [entry for entry in entries if line_of(entry.get("id")) and code_of(entry.get("status"))]
        return [_receipt_of(entry, unix_time_of(entry.get("last_timestamp"))) for entry in known]


def _check(fields: Mapping[str, str], secret: str) -> None:
    signed = ":".join([*(fields.get(name, "") for name in ("id", "phone", "status")), secret]).encode()
    digests = {"md5": hashlib.md5(signed, usedforsecurity=False), "sha1": hashlib.sha1(signed, usedforsecurity=False)}
    given = [name for name in digests if name in fields]
    if not given:
        raise CallbackRejectedError("The signature is missing.")
    for name in given:
        check_signature(digests[name].hexdigest(), fields[name])


def _receipt_of(fields: Fields, at: datetime | None) -> Receipt:
    status, error = code_of(fields.get("status")), code_of(fields.get("err"))
    if not status:
        raise ValueError("The receipt has no status.")
    meaning = STATUSES.get(status, Meaning.ON_ITS_WAY)
    if meaning.state is ReceiptState.UNDELIVERED:
        meaning = ERRORS.get(error, meaning)
    sent = line_of(fields.get("id"))
    message_id = message_id_of(sent)
    return receipt_of(
        meaning,
        message_id=message_id if message_id and message_id <= LARGEST_ID else None,
        provider_message_id=sent,
        code=f"{status} {error}" if error.strip("0") else status,
        at=at,
        recipient=fields.get("phone"),
    )
