"""SMS Aero: what it reports of a message at the `callbackUrl` that the message named, and when it is asked.

Sources: smsaero/smsaero_python (`callbackUrl`, `callbackFormat`; `sms/status` answers `{"success": true, "data": {"id",
"number", "status": 1, "extendStatus": "delivery", "dateAnswer"}}`; tests/scenario.py: `delivery` and `undelivered` are
final). The numbers of `status` as public programs have them: 0 in the queue, 1 delivered, 2 not delivered, 6 rejected,
8 in moderation. 3 is "rejected" in the vendor's client for Go and "passed on" elsewhere, so it decides nothing.

Not verified: all of it against an account. **The form of callbacks is in none of the sources**: the fields of
`sms/status` are read, in JSON or as a form, with or without `data` around them. Nothing authenticates them but the
token in the address. Inbound messages are in none of the sources, and not read.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.gateways.answer_fields import Fields, code_of, fields_of, line_of
from shared.gateways.base import Callback, CallbackAnswer, Receipt, Response
from shared.gateways.callbacks import Meaning, form_of, receipt_of, unix_time_of
from shared.gateways.http_statuses import json_object

WORDS: Mapping[str, Meaning] = {
    **dict.fromkeys(("queue", "send", "moderation"), Meaning.ON_ITS_WAY),
    "delivery": Meaning.DELIVERED,
    "undelivered": Meaning.OTHER,
    **dict.fromkeys(("reject", "rejected"), Meaning.REJECTED),
}
"""By `extendStatus`."""

NUMBERS: Mapping[str, Meaning] = {
    **dict.fromkeys(("0", "3", "8"), Meaning.ON_ITS_WAY),
    "1": Meaning.DELIVERED,
    "2": Meaning.OTHER,
    "6": Meaning.REJECTED,
}
"""By `status`, where there is no `extendStatus` that is known."""


class SmsaeroCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = CallbackAnswer(b"OK")

    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a callback."""
        payload: Fields | None = json_object(callback.body)
        if payload is None:
            payload = form_of(callback)
        return [_receipt_of(fields_of(payload.get("data")) or payload, callback.message_id, self._secrets)]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipt of an answer to sms/status."""
        payload = fields_of(json_object(response.body))
        if response.status != 200 or payload.get("success") is not True:
            raise ValueError(f"SMS Aero does not tell the status of the message: {response.status}.")
        return [_receipt_of(fields_of(payload.get("data")), None, ())]


def _receipt_of(fields: Fields, message_id: int | None, secrets: tuple[str, ...]) -> Receipt:
    word, number = line_of(fields.get("extendStatus")), code_of(fields.get("status"))
    if not word and not number:
        raise ValueError("The receipt has no status.")
    return receipt_of(
        WORDS.get(word.lower()) or NUMBERS.get(number) or Meaning.ON_ITS_WAY,
        message_id=message_id,
        provider_message_id=fields.get("id"),
        code=word or number,
        at=unix_time_of(fields.get("dateAnswer")),
        recipient=fields.get("number"),
        secrets=secrets,
    )
