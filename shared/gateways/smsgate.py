"""SMS Gateway for Android (SMSGate): `POST /3rdparty/v1/messages` with JSON `{"id", "textMessage", "phoneNumbers"}`.

Sources: android-sms-gateway/server:internal/sms-gateway/handlers/messages/3rdparty.go,
internal/sms-gateway/modules/messages/errors.go and repository.go, internal/worker/config/config.go;
capcom6/android-sms-gateway (PyPI `android-sms-gateway` is the same project's SDK).

- Authentication is Basic. (The server also takes tokens that expire; they are not supported here.)
- Accepted is 202 `{"id", "state", "recipients": [{"phoneNumber", "state"}]}`: the server has queued it for the
  phone.
- `id` is ours, so a repeat is 409 `duplicate id`. That is a refusal here, which the worker takes for a duplicate only
  if an earlier request may have been accepted: otherwise another database of Gonets that shares the account has used
  the id, and nothing was sent.
- Look-up: `GET …/messages/{id}`, 404 if the server does not have it.
- 400 `failed to select device: …` is an account without a phone. 503 `queue limits exceeded` is a phone that is
  offline for too long: nothing was taken.
- The app itself, in the same network as the worker, has the same interface at `/messages`.
- The sender id is the number of the phone's SIM card.
- Receipts and inbound messages are webhooks of the phone: smsgate_callbacks.py.

Not verified: all of it against a server or a phone, though the answers are read from the server's source; the app's
own answers to a repeated id and for one that it does not know.
"""

from __future__ import annotations

from collections.abc import Collection

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.account_checks import LINE, USER, credential, option, optional_credential
from shared.gateways.answer_fields import (
    Fields,
    fields_of,
    id_of,
    is_another_id,
    is_another_recipient,
    line_of,
    objects_of,
)
from shared.gateways.authentication import basic
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
from shared.gateways.code_meanings import ID_KNOWN, NOT_ALLOWED, STATUSES, THROTTLED, Phrase, read_phrase
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.smsgate_callbacks import FAILED_STATES, STATES, SmsgateCallbacks

PATH, PATH_OF_THE_APP = "/3rdparty/v1/messages", "/messages"

PHRASES = (
    Phrase(409, "", ID_KNOWN),
    Phrase(400, "failed to select device", NOT_ALLOWED),
    Phrase(503, "queue limits exceeded", THROTTLED),
)
"""What the server answers, by status and words."""


class SmsgateAdapter(SmsgateCallbacks, PostAdapter):
    """The API for one account of the server, or for the app on one phone."""

    capabilities = Capabilities(
        deduplicates=True, looks_up=True, reference=True, receipts=True, polls=True, inbound=True, signs=True
    )
    poll_limit = 1
    look_up_after = 60.0
    """Seconds. The server stores a message before it answers; this is what a request may take at most."""
    look_up_within = 7 * 86400.0
    """Seconds. The server keeps messages for 30 days unless its settings say less (`messages_cleanup.max_age`), and the
    app for as long as its settings say: a week is cautious."""

    def __init__(self, account: Account) -> None:
        password = credential(account, "password", LINE)
        authorization = basic(option(account, "username", USER), password)
        self._path = option(account, "path", f"{PATH}|{PATH_OF_THE_APP}", PATH)
        self._secrets = (password, authorization.removeprefix("Basic "))
        self._headers = json_headers(authorization)
        self._signing_key = optional_credential(account, "signing_key", LINE)
        self._callback_secrets = tuple(filter(None, (*self._secrets, self._signing_key, *callback_secrets(account))))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b'{"id":"%d","phoneNumbers":["+%d"],"textMessage":{"text":%b}}' % (
            message.message_id,
            message.phone_number,
            json_text(message.text),
        )

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with the id, which is ours, if it was accepted."""
        payload = fields_of(json_object(response.body))
        if response.status is not None and 200 <= response.status < 300:
            provider_id = id_of(payload.get("id"))
            if response.status != 202 or provider_id is None or _is_another(payload, message):
                return not_understood(response)
            return SubmitResult(Result.ACCEPTED, "202", provider_message_id=provider_id)
        said = line_of(payload.get("message"))
        known = read_phrase(response, said, PHRASES, secrets)
        return known or read_status(response, redact(said, secrets), STATUSES)

    def prepare_look_up(self, message: OutgoingMessage) -> Submission:
        """The request for a message's state."""
        path = f"{self._path}/{message.message_id}"
        secrets = (*self._secrets, message.text, str(message.phone_number))
        return Submission("GET", path, self._headers, b"", secrets)

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """Whether the server has the message; `UNCLEAR` for an error, or a state that it does not document."""
        payload = fields_of(json_object(response.body))
        state, provider_id = line_of(payload.get("state")), id_of(payload.get("id"))
        words = redact(line_of(payload.get("message")), secrets)
        if response.status == 404 and "not found" in words:  # a wrong address says "Cannot GET …"
            return LookUpResult(LookUp.NOT_FOUND, "404")
        if response.status == 200 and provider_id is not None and not _is_another(payload, message):
            if state in FAILED_STATES:
                return LookUpResult(LookUp.REFUSED, state, _failure_of(payload, secrets), provider_id)
            if state in STATES:
                return LookUpResult(LookUp.FOUND, state, provider_message_id=provider_id)
        return LookUpResult(LookUp.UNCLEAR, str(response.status), reason_of(ReasonCode.LOOK_UP_FAILED, words))

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for a message's state."""
        for message in messages:
            return Submission("GET", f"{self._path}/{message.message_id}", self._headers, b"", self._secrets)
        return None


def _is_another(payload: Fields, message: OutgoingMessage) -> bool:
    """Whether an answer has another id or another recipient. A week after a message has ended, the server replaces its
    numbers by hashes, which `isHashed` says."""
    hashed = payload.get("isHashed") is True
    recipients = [] if hashed else objects_of(payload.get("recipients")) or []
    return is_another_id(payload.get("id"), message.message_id) or any(
        is_another_recipient(entry.get("phoneNumber"), message) for entry in recipients
    )


def _failure_of(payload: Fields, secrets: Collection[str]) -> Reason:
    recipients = objects_of(payload.get("recipients")) or []
    words = next(filter(None, (line_of(entry.get("error")) for entry in recipients)), "")
    return reason_of(ReasonCode.LOOK_UP_REFUSED, redact(words, secrets))


PROVIDER = Provider(
    name="smsgate",
    title="SMS Gateway for Android",
    make=SmsgateAdapter,
    capabilities=SmsgateAdapter.capabilities,
    address="https://api.sms-gate.app",
    sender_required=False,
    fields=(
        AccountField(name="username", label="User name"),
        AccountField(name="password", label="Password", secret=True),
        AccountField(name="signing_key", label="Signing key", secret=True, required=False),
        AccountField(
            name="path",
            label="Path: of the server, or of the app itself",
            required=False,
            default=PATH,
            choices=(PATH, PATH_OF_THE_APP),
        ),
    ),
)
