"""MTS Exolve: `POST /messaging/v1/SendSMS` with JSON `{"number", "destination", "text"}`.

Sources: the vendor's page docs.exolve.ru/docs/ru/api-reference/sms-api/sending-sms; the field of the answer from
public programs that use it.

- `number` is the SENDER, a number or a name, and `destination` the recipient. (theYahia/mts-exolve-mcp swaps them.)
- Authentication is Bearer with the API key of an application.
- Accepted is 200 `{"message_id"}`. No id of ours goes into the request, so nothing is deduplicated: after a lost
  response the doubt remains.

Not verified: all of it against an account; the form of errors, so failures are read by their HTTP status alone, and
words from `message`, `error` or `error.message`; the greatest length of a text, and how its segments are counted; a
reference of ours; callbacks and replies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.gateways.account_checks import credential, sender_of
from shared.gateways.answer_fields import fields_of, id_of, is_another_recipient, line_of
from shared.gateways.authentication import bearer
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.code_meanings import STATUSES
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import redact


class ExolveAdapter(PostAdapter):
    """The API for one application."""

    capabilities = Capabilities()
    """Receipts and replies exist by the vendor's pages; their form is not verified, so they are not declared."""

    _path = "/messaging/v1/SendSMS"

    def __init__(self, account: Account) -> None:
        api_key = credential(account, "api_key")
        self._headers = json_headers(bearer(api_key))
        self._secrets = (api_key,)
        self._start = b'{"number":%b,"destination":"' % json_text(sender_of(account))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b'%b%d","text":%b}' % (self._start, message.phone_number, json_text(message.text))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with Exolve's id if it was accepted."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return read_status(response, redact(_words_of(payload), secrets), STATUSES)
        provider_id = id_of(payload.get("message_id"))
        if response.status != 200 or provider_id is None or is_another_recipient(payload.get("destination"), message):
            return not_understood(response)
        return SubmitResult(Result.ACCEPTED, "200", provider_message_id=provider_id)


def _words_of(payload: Mapping[str, object]) -> str:
    error = payload.get("error")
    inner = line_of(error.get("message")) if isinstance(error, dict) else line_of(error)
    return line_of(payload.get("message")) or inner


PROVIDER = Provider(
    name="exolve",
    title="MTS Exolve",
    make=ExolveAdapter,
    capabilities=ExolveAdapter.capabilities,
    address="https://api.exolve.ru",
    fields=(AccountField(name="api_key", label="API key of the application", secret=True),),
)
