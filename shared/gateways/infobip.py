"""Infobip: `POST /sms/3/messages` with our id as `messageId`, success `200` with a status of the group PENDING.

Sources: Infobip's OpenAPI document of the SMS channel (a copy of 2026-07 in api-evangelist/infobip:
openapi/infobip-sms-openapi.json: paths /sms/3/messages and /sms/3/logs), its page "Response status and error codes"
(errors/infobip-error-codes.yml there), conventions/infobip-conventions.yml, and infobip-api-python-client 6.0.0.

A repeated `messageId` is rejected as REJECTED_DUPLICATE_MESSAGE_ID (23), so a repeat is not delivered twice. The
rejection is a refusal here, which the worker takes for a duplicate only if an earlier request may have been accepted:
otherwise the id was used by a request that was rejected, or by another installation, and nothing was sent. Ids are
unique in the whole account: two installations that share one need different values of the field `prefix`.

Look-ups read the logs and not the delivery reports: reports are handed out once, so asking for one would take it from
the program that collects reports, and a second look-up would find nothing. Logs may be read again. They are kept for 48
hours, and an account may ask 120 times a minute. /sms/1/logs is deprecated since 2024-05-16; /sms/3/logs is its
successor.

Receipts and inbound messages: infobip_callbacks.py. Each message names the address for its receipt.

Not verified: for how long ids are remembered; whether the id of a rejected message counts as used (a repeat after "no
credits" would then be refused); how soon a message is in the logs (60 seconds are assumed); the answers
of a live account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.reasons import ReasonCode
from shared.domain.results import FINAL, TAKEN, Result
from shared.gateways.account_checks import credential, option, sender_of
from shared.gateways.answer_fields import (
    Fields,
    code_of,
    fields_of,
    id_of,
    integer_of,
    is_another_id,
    is_another_recipient,
    joined,
    objects_of,
    segments_in,
)
from shared.gateways.base import (
    Account,
    AccountField,
    Capabilities,
    LookUp,
    LookUpResult,
    OutgoingMessage,
    Provider,
    Response,
    SentMessage,
    Submission,
    SubmitResult,
)
from shared.gateways.callbacks import callback_secrets
from shared.gateways.code_meanings import (
    ACCEPTED,
    ID_KNOWN,
    NO_CREDIT,
    NO_ROUTE,
    NOT_ALLOWED,
    NOT_ALLOWED_HERE,
    OPTED_OUT,
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED,
    SENDER_REJECTED_HERE,
    STATUSES_OF_ACCOUNT,
    TEXT_TOO_LONG,
    THROTTLED,
    result_of,
)
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.infobip_callbacks import InfobipCallbacks
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import reason_of, redact

_DECISIVE = (LookUp.FOUND, LookUp.UNCLEAR, LookUp.REFUSED, LookUp.NOT_FOUND)
"""Of several logs of a message, the one whose outcome comes first here decides."""

NOT_SENT = 31
"""UNDELIVERABLE_NOT_SENT: the only undeliverable message that no operator has seen."""

GROUP_ACCEPTED, PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED = 0, 1, 2, 3, 4, 5

GROUPS: Mapping[int, Meaning] = {
    GROUP_ACCEPTED: ACCEPTED,
    PENDING: ACCEPTED,
    UNDELIVERABLE: REFUSED,
    DELIVERED: ACCEPTED,
    EXPIRED: REFUSED,
    REJECTED: REFUSED,
}
"""By `status.groupId`, for the statuses that CODES does not have."""

CODES: Mapping[int, Meaning] = {
    10: OPTED_OUT,  # REJECTED_DND: a register of numbers that want no such texts
    # A sender may be registered for some countries only, so 11 may concern one recipient.
    11: SENDER_REJECTED_HERE,
    12: NO_CREDIT,
    13: SENDER_REJECTED,
    14: OPTED_OUT,  # blocklisted by the operator or in the account; who opts out is put there
    17: NO_CREDIT,  # the credit has expired
    # A trial account may send to one number; an account may lack routes to some networks only.
    18: NOT_ALLOWED_HERE,
    19: NOT_ALLOWED_HERE,
    20: THROTTLED,  # too many texts to this number in an hour
    21: RETRIABLE,  # "system error … retry the submission"
    23: ID_KNOWN,  # REJECTED_DUPLICATE_MESSAGE_ID
    29: ACCEPTED,  # EXPIRED_DLR_UNKNOWN: the operator took it and never reported
    100: RETRIABLE,  # UNDELIVERABLE_REJECTED_PLATFORM: malformed, or unavailable for now
    # Final, and what is documented of them. 6: network not covered; 8 and 52: prefix or length of the number; 24: UDH;
    # 25: too long; 51: no number; 87: anti-fraud; 4, 9, 31: not delivered, not sent; 15: expired.
    6: NO_ROUTE,
    25: TEXT_TOO_LONG,
    **dict.fromkeys((4, 8, 9, 15, 24, NOT_SENT, 51, 52, 87), REFUSED),
}
"""By `status.id`: the general status codes that a text message can have."""

HTTP_STATUSES: Mapping[int, Meaning] = {
    **STATUSES_OF_ACCOUNT,
    403: NOT_ALLOWED,
}
"""All answers about single messages are 200, so these concern the account alone."""


class InfobipAdapter(InfobipCallbacks, PostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(
        deduplicates=True, looks_up=True, reference=True, receipts=True, polls=True, inbound=True, max_text=25 * 153
    )
    """A message has at most 25 segments (REJECTED_MESSAGE_TOO_LONG), which hold that many GSM characters. What fits in
    characters and not in segments, the provider refuses."""
    look_up_after = 60.0
    """Seconds. Not documented: the answer to a submission comes from the system that writes the logs, within a
    second."""
    look_up_within = 47 * 3600.0
    """Seconds. Logs are kept for 48 hours; an hour is left for clocks that differ."""
    poll_limit = 30
    """`messageId` of /sms/3/logs has at most 2048 characters, and an id of ours up to 60 with the comma."""

    _path = "/sms/3/messages"

    def __init__(self, account: Account) -> None:
        self._key = credential(account, "api_key")
        self._prefix = option(account, "prefix", r"[A-Za-z0-9_-]{0,40}")
        self._headers = json_headers(f"App {self._key}")
        self._start = b'{"messages":[{"sender":%b,"destinations":[{"to":"' % json_text(sender_of(account))
        self._secrets = (self._key, *callback_secrets(account))
        # In JSON, since an account may have XML as its default.
        url = json_text(account.receipt_url)
        webhooks = b',"webhooks":{"delivery":{"url":%b},"contentType":"application/json"}' % url
        self._end = b"}%b}]}" % (webhooks if account.receipt_url else b"")

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b'%b%d","messageId":"%b%d"}],"content":{"text":%b%b' % (
            self._start,
            message.phone_number,
            self._prefix.encode(),
            message.message_id,
            json_text(message.text),
            self._end,
        )

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = json_object(response.body)
        if response.status is None or not 200 <= response.status < 300:
            return _read_error(response, fields_of(payload), secrets)
        messages = objects_of(fields_of(payload).get("messages"))
        if messages is None or len(messages) != 1 or self._is_another(messages[0], message):
            return not_understood(response)
        ours, details = messages[0], fields_of(messages[0].get("details"))
        meaning, provider_message_id = _meaning_of(ours), id_of(ours.get("messageId"))
        if meaning is None or (meaning.result is Result.ACCEPTED and provider_message_id is None):
            return not_understood(response)
        return result_of(
            meaning,
            code_of(fields_of(ours.get("status")).get("id")),
            redact(_words_of(ours), secrets),
            provider_message_id=provider_message_id,
            segments=segments_in(details.get("messageCount")),
        )

    def prepare_look_up(self, message: OutgoingMessage) -> Submission:
        """The request for the logs of a message."""
        path = f"/sms/3/logs?messageId={self._prefix}{message.message_id}"
        return Submission("GET", path, self._headers, b"", (self._key, message.text, str(message.phone_number)))

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """The meaning of logs. Of several, one that was taken decides, and not the rejection of a repeat."""
        payload = fields_of(json_object(response.body))
        logs = objects_of(payload.get("results")) if response.status == 200 else None
        if logs is None or any(self._is_another(log, message) for log in logs):
            reason = reason_of(ReasonCode.LOOK_UP_FAILED, redact(_error_words(payload), secrets))
            return LookUpResult(LookUp.UNCLEAR, str(response.status), reason)
        if not logs:
            return LookUpResult(LookUp.NOT_FOUND, str(response.status))
        others = [log for log in logs if _meaning_of(log) is not ID_KNOWN]
        return min((_read_log(log, secrets) for log in others or logs), key=lambda read: _DECISIVE.index(read.outcome))

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for the logs of messages. Delivery reports are handed out once, so they are left alone."""
        if not messages:
            return None
        ids = ",".join(f"{self._prefix}{message.message_id}" for message in messages)
        return Submission("GET", f"/sms/3/logs?limit=1000&messageId={ids}", self._headers, b"", self._secrets)

    def _is_another(self, named: Fields, message: OutgoingMessage) -> bool:
        """Whether a message of an answer has another id or another recipient."""
        return is_another_id(named.get("messageId"), f"{self._prefix}{message.message_id}") or is_another_recipient(
            named.get("destination"), message
        )


PROVIDER = Provider(
    name="infobip",
    title="Infobip",
    make=InfobipAdapter,
    capabilities=InfobipAdapter.capabilities,
    max_segments=25,
    fields=(
        AccountField(name="api_key", label="API key", secret=True),
        AccountField(name="prefix", label="Prefix of message ids, if installations share the account", required=False),
    ),
)


def _meaning_of(message: Fields) -> Meaning | None:
    """The meaning of a message's status; None if it has none that is known."""
    status = fields_of(message.get("status"))
    code, group = integer_of(status.get("id")), integer_of(status.get("groupId"))
    if code is None or group is None or not code_of(code):
        return None
    return CODES.get(code) or GROUPS.get(group)


def _words_of(message: Fields) -> str:
    status = fields_of(message.get("status"))
    return joined(status.get("name"), status.get("description"))


def _read_log(log: Fields, secrets: Collection[str]) -> LookUpResult:
    status = fields_of(log.get("status"))
    meaning, code = _meaning_of(log), integer_of(status.get("id"))
    words, provider_message_id = redact(_words_of(log), secrets), id_of(log.get("messageId"))
    if meaning is None or provider_message_id is None:
        return LookUpResult(LookUp.UNCLEAR, reason=reason_of(ReasonCode.LOOK_UP_FAILED, words))
    undelivered = status.get("groupId") in (UNDELIVERABLE, EXPIRED) and code != NOT_SENT
    if meaning.result in TAKEN or meaning.perhaps_duplicate or undelivered:
        # It was taken. That it was not delivered is for the receipt to say.
        reason = reason_of(ReasonCode.LOOK_UP_FOUND)
        return LookUpResult(LookUp.FOUND, str(code), reason, provider_message_id)
    if meaning.result in FINAL:
        reason = reason_of(ReasonCode.LOOK_UP_REFUSED, words)
        return LookUpResult(LookUp.REFUSED, str(code), reason, provider_message_id)
    # It was rejected for now, as if it had never arrived: it may be submitted again.
    return LookUpResult(LookUp.NOT_FOUND, str(code), provider_message_id=provider_message_id)


def _read_error(response: Response, error: Fields, secrets: Collection[str]) -> SubmitResult:
    result = read_status(response, redact(_error_words(error), secrets), HTTP_STATUSES)
    violations = objects_of(error.get("violations")) or []
    if response.status == 400 and any(str(each.get("property")).endswith("sender") for each in violations):
        # Every message has this sender: it is the account that is wrong.
        return result_of(SENDER_REJECTED, "400", result.words or "")
    return result


def _error_words(error: Fields) -> str:
    """The words of an error, of either form: that of version 3, and that of the other versions."""
    older = fields_of(fields_of(error.get("requestError")).get("serviceException"))
    violations = objects_of(error.get("violations")) or []
    details = (joined(each.get("property"), each.get("violation")) for each in violations)
    words = joined(error.get("errorCode") or older.get("messageId"), error.get("description") or older.get("text"))
    return "; ".join(part for part in (words, *details) if part)
