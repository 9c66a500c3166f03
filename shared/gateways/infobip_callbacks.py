"""Infobip: what it reports and forwards, in JSON, and what its logs say of deliveries.

Sources: Infobip's OpenAPI document of the SMS channel (a copy of 2026-07 in api-evangelist/infobip: its webhooks
receive-outbound-sms-message-reports-v3 and receive-inbound-sms-messages, /sms/3/logs), and its page "Response status
and error codes" (errors/infobip-error-codes.yml there).

- `results` has up to 100 reports, one for each message, whatever its number of segments. `messageId` is ours.
- Times are `2026-03-01T12:00:00.000+0000`, which is no RFC 3339.
- DELIVERED_TO_OPERATOR (2) is not a delivery yet. EXPIRED_DLR_UNKNOWN (29) says that nothing is known.
- REJECTED_DUPLICATE_MESSAGE_ID (23) is about a repeat of ours, and not about the message that Infobip has.

Not verified: all of it against an account. By its settings Infobip sends a token, Basic credentials or a signature,
whose form is in none of the sources: only the token in the address authenticates callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.delivery import ReceiptState
from shared.gateways.answer_fields import Fields, fields_of, integer_of, line_of
from shared.gateways.base import Callback, CallbackAnswer, InboundPart, Receipt, Response, message_id_of
from shared.gateways.callbacks import Meaning, all_readable, inbound_of, json_of, receipt_of, time_of
from shared.gateways.http_statuses import json_object

TIME = "%Y-%m-%dT%H:%M:%S.%f%z"

GROUPS: Mapping[int, Meaning] = {
    0: Meaning.ON_ITS_WAY,  # accepted
    1: Meaning.ON_ITS_WAY,  # pending
    2: Meaning.OTHER,  # undeliverable
    3: Meaning.DELIVERED,
    4: Meaning.EXPIRED,
    5: Meaning.REJECTED,
}
"""By `status.groupId`, for the statuses that STATUSES does not have."""

STATUSES: Mapping[int, Meaning] = {
    2: Meaning.ON_ITS_WAY,  # DELIVERED_TO_OPERATOR
    4: Meaning.REJECTED,  # by the operator
    6: Meaning.REJECTED,  # the network is not covered
    **dict.fromkeys((8, 51, 52), Meaning.UNKNOWN_SUBSCRIBER),  # prefix, no number, destination
    **dict.fromkeys((10, 14), Meaning.OPTED_OUT),  # do not disturb; blocklisted by the operator or in the account
    **dict.fromkeys((20, 87), Meaning.BLOCKED),  # flooding, fraud
    23: Meaning.ON_ITS_WAY,  # REJECTED_DUPLICATE_MESSAGE_ID
    29: Meaning.NOT_KNOWN,  # EXPIRED_DLR_UNKNOWN
}
"""By `status.id`."""

ERRORS: Mapping[int, Meaning] = {
    # Unknown, unidentified or illegal subscriber; not provisioned, unable to receive texts, suspended, deactivated.
    **dict.fromkeys((1, 5, 9, 11, 568, 569, 629, 3041), Meaning.UNKNOWN_SUBSCRIBER),
    # Absent, out of reach, or too late.
    **dict.fromkeys((6, 27, 31, 811, 2048, 4098, 4100, 4101), Meaning.EXPIRED),
    # Barred; blocked by the operator; spam; fraud; blocklisted identity, sender, content; flooding.
    **dict.fromkeys((13, 560, 561, 564, 566, 607, 608, 2049, 2051, 2053, 4103, 4104), Meaning.BLOCKED),
    # By the recipient, or on a list of those who opted out.
    **dict.fromkeys((573, 603, 604, 2050, 2052), Meaning.OPTED_OUT),
    632: Meaning.REJECTED,  # by the operator
}
"""By `error.id` of an undelivered or rejected message, where it says more than the status."""


class InfobipCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = inbound_answer = CallbackAnswer()

    _prefix: str
    """Of our ids."""
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The reports of a callback."""
        return all_readable(_results_of(json_of(callback)), lambda result: self._receipt_of(result, "to"))

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The messages of a callback, whose parts Infobip has joined."""
        return all_readable(_results_of(json_of(callback)), _part_of)

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipts of logs, of which a message may have several."""
        if response.status != 200:
            raise ValueError(f"Infobip does not tell the logs of messages: {response.status}.")
        payload = fields_of(json_object(response.body))
        return all_readable(_results_of(payload), lambda log: self._receipt_of(log, "destination"))

    def _receipt_of(self, result: Fields, recipient: str) -> Receipt:
        status, error = fields_of(result.get("status")), fields_of(result.get("error"))
        code, group = integer_of(status.get("id")), integer_of(status.get("groupId"))
        cause = integer_of(error.get("id"))
        if code is None and group is None:
            raise ValueError("The report has no status.")
        meaning = _meaning_of(code, group, cause)
        named = line_of(result.get("messageId"))
        ours = named.removeprefix(self._prefix) if named.startswith(self._prefix) else ""
        told = cause if meaning.state is ReceiptState.UNDELIVERED else None
        return receipt_of(
            meaning,
            message_id=message_id_of(ours),
            provider_message_id=named,
            code=" ".join(str(one) for one in (code, told) if one),
            words=" ".join(filter(None, (line_of(status.get("name")), line_of(error.get("name")) if told else ""))),
            at=time_of(result.get("doneAt"), TIME),
            recipient=result.get(recipient),
            secrets=self._secrets,
        )


def _results_of(payload: Fields) -> list[Fields]:
    results = payload.get("results")
    if not isinstance(results, list):
        raise ValueError("There are no results.")  # noqa: TRY004 - what a provider wrote is a value
    return [fields_of(result) for result in results]


def _part_of(result: Fields) -> InboundPart:
    return inbound_of(
        sender=result.get("from"),
        recipient=result.get("to"),
        text=result.get("text"),
        provider_message_id=result.get("messageId"),
        at=time_of(result.get("receivedAt"), TIME),
    )


def _meaning_of(code: int | None, group: int | None, cause: int | None) -> Meaning:
    known = STATUSES.get(code) if code is not None else None
    meaning = known or (GROUPS.get(group) if group is not None else None) or Meaning.ON_ITS_WAY
    # What the status itself says precisely, an error does not change.
    is_general = meaning in (Meaning.OTHER, Meaning.REJECTED) and cause is not None
    return ERRORS.get(cause, meaning) if is_general and cause is not None else meaning
