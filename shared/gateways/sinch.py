"""Sinch SMS (XMS): `POST /xms/v1/{service plan}/batches` in JSON, success `201` with the `id` of a batch of one.

Sources: sinch/sinch-sdk-python:sinch/domains/sms (2.3.0), developers.sinch.com/docs/sms/api-reference/status-codes,
community.sinch.com "Common SMS HTTP statuses and codes explained", nyaruka/courier:handlers/mblox (its ancestor).

Our id goes as `client_reference` and comes back in receipts; nothing is deduplicated by it, and a batch cannot be
looked up by it. sinch_callbacks.py reads receipts and inbound messages. `GET …/batches/{id}/delivery_report?type=full`
asks for the delivery of a batch by Sinch's id.

Not verified: what an account without credit answers (402 is read as that); the longest text; codes beyond those below;
the answers of a live account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.gateways.account_checks import PATH_PART, credential, option, optional_credential, sender_of
from shared.gateways.answer_fields import (
    Fields,
    fields_of,
    id_of,
    is_another_id,
    is_another_recipient,
    joined,
    line_of,
)
from shared.gateways.authentication import bearer
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.callbacks import callback_secrets
from shared.gateways.code_meanings import (
    ACCOUNT_SUSPENDED,
    NO_ROUTE,
    NOT_ALLOWED,
    REFUSED,
    STATUSES_OF_ACCOUNT,
    result_of,
)
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PollingPostAdapter
from shared.gateways.sanitize import redact
from shared.gateways.sinch_callbacks import SinchCallbacks

CODES: Mapping[str, Meaning] = {
    # With status 400.
    "syntax_invalid_json": REFUSED,
    "syntax_invalid_parameter_format": REFUSED,
    "syntax_constraint_violation": REFUSED,
    # With status 403.
    "blocked_account": ACCOUNT_SUSPENDED,
    "illegal_number_type": NO_ROUTE,
    "missing_callback_url": NOT_ALLOWED,
}
"""By `code` of an error."""


class SinchAdapter(SinchCallbacks, PollingPostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(reference=True, receipts=True, polls=True, inbound=True, signs=True)
    polled_id = PATH_PART

    def __init__(self, account: Account) -> None:
        token = credential(account, "api_token")
        self._path = f"/xms/v1/{option(account, 'service_plan_id', PATH_PART)}/batches"
        self._headers = json_headers(bearer(token))
        self._callback_secret = optional_credential(account, "callback_secret")
        self._secrets = token, *callback_secrets(account)
        self._receipts = b""
        if account.receipt_url:
            self._receipts = b'"delivery_report":"per_recipient","callback_url":%b,' % json_text(account.receipt_url)
        self._start = b'{"type":"mt_text","from":%b,"to":["+' % json_text(sender_of(account))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b'%b%d"],%b"client_reference":"%d","body":%b}' % (
            self._start,
            message.phone_number,
            self._receipts,
            message.message_id,
            json_text(message.text),
        )

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return _read_error(response, payload, secrets)
        batch_id, recipients = id_of(payload.get("id")), payload.get("to")
        if batch_id is None or not isinstance(recipients, list) or len(recipients) != 1:
            return not_understood(response)
        reference = payload.get("client_reference")
        if is_another_recipient(recipients[0], message) or is_another_id(reference, message.message_id):
            return not_understood(response)
        return SubmitResult(Result.ACCEPTED, str(response.status), provider_message_id=batch_id)

    def _poll_path_of(self, provider_id: str) -> str:
        return f"{self._path}/{provider_id}/delivery_report?type=full"


PROVIDER = Provider(
    name="sinch",
    title="Sinch",
    make=SinchAdapter,
    capabilities=SinchAdapter.capabilities,
    address="https://us.sms.api.sinch.com",
    fields=(
        AccountField(name="service_plan_id", label="Service plan ID"),
        AccountField(name="api_token", label="API token", secret=True),
        AccountField(name="callback_secret", label="Callback secret", secret=True, required=False),
    ),
)


def _read_error(response: Response, payload: Fields, secrets: Collection[str]) -> SubmitResult:
    """Errors have `code` and `text`, or an object `error` with `code` and `message`."""
    inner = fields_of(payload.get("error"))
    code = line_of(payload.get("code"))
    words = redact(joined(code or inner.get("code"), payload.get("text") or inner.get("message")), secrets)
    if code in CODES and 400 <= (response.status or 0) < 500:
        return result_of(CODES[code], code, words)
    return read_status(response, words, STATUSES_OF_ACCOUNT)  # 404: no such service plan, or another region
