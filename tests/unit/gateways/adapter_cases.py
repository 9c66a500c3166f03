"""What the tests of adapters have in common: a message, accounts, and answers to the message."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import parse_qsl

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import Account, Adapter, Submission, SubmitResult
from shared.gateways.registry import provider_named
from tests.submit_results import Answer

TEXT = "Заказ «42» & готов: 100% {text}\n\"quoted\" \\ 'too' <b> +7? = 🎉"
"""A text with every character that some encoding must escape."""


class Message(NamedTuple):
    """A message as adapters read it."""

    message_id: int = 481516234
    phone_number: int = 79161234567
    text: str = TEXT


MESSAGE = Message()
MESSAGE_ID, PHONE_NUMBER = MESSAGE.message_id, MESSAGE.phone_number

Expected = tuple[Result, ReasonCode | None]
"""A result and the code of its reason."""


def account_with(name: str, sender: str = "Shop", **fields: str) -> Account:
    """An account of a provider with these fields, and the defaults of others."""
    provider = provider_named(name)
    secret = {field.name for field in provider.fields if field.secret}
    options = {field.name: field.default for field in provider.fields if field.default and not field.secret}
    return Account(
        address=provider.address or "http://gateway.example",
        sender=sender,
        credentials={key: value for key, value in fields.items() if key in secret},
        options=options | {key: value for key, value in fields.items() if key not in secret},
    )


def adapter_with(name: str, sender: str = "Shop", **fields: str) -> Adapter:
    """The adapter of such an account."""
    return provider_named(name).make(account_with(name, sender, **fields))


def submission_of(adapter: Adapter, message: Message = MESSAGE) -> Submission:
    """The submission of a message, which the adapter must not refuse."""
    prepared = adapter.prepare(message)
    assert isinstance(prepared, Submission), prepared
    return prepared


def refusal_of(adapter: Adapter, text: str) -> Expected:
    """Why a text is refused, which the adapter must not submit."""
    prepared = adapter.prepare(Message(text=text))
    assert isinstance(prepared, SubmitResult), prepared
    return meaning(prepared)


def form(encoded: str | bytes) -> dict[str, str]:
    """The fields of a form or a query, each of which must be there once."""
    text = encoded.decode() if isinstance(encoded, bytes) else encoded
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def answer(status: int, body: object = "", **headers: str) -> Answer:
    """An answer with a text, or with another body as JSON. `_` in names of headers stands for `-`."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, text.encode())


def answer_to(message: Message, answer: Answer) -> Answer:
    """An answer in which `{id}` and `{phone}` stand for those of a message."""
    body = answer.body.replace(b"{id}", b"%d" % message.message_id)
    return answer._replace(body=body.replace(b"{phone}", b"%d" % message.phone_number))


def read(adapter: Adapter, answer: Answer, message: Message = MESSAGE) -> SubmitResult:
    """The result of an answer to a message."""
    return adapter.read(answer_to(message, answer), message, submission_of(adapter, message).secrets)


def meaning(result: SubmitResult) -> Expected:
    """A result and the code of its reason."""
    return result.result, result.reason and result.reason.code
