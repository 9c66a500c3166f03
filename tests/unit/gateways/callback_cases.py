"""What the conformance suite needs of each provider that calls us: samples of its callbacks, and its signature.

tests/unit/gateways/samples_<provider>.py has them as `CALLBACKS`. The functions here make callbacks.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.errors import ConfigurationError
from shared.gateways.base import MESSAGE_PARAMETER, Account, Adapter, Callback, InboundPart, Receipt, SentMessage
from shared.gateways.registry import PROVIDERS
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID
from tests.unit.gateways.conformance import account_of, has_own_account, whole_account_of

CALLBACK_TOKEN = "c4llb4ck-t0ken"
RECEIPT_URL = f"https://gonets.example/v1/receipt/gateway-1/{CALLBACK_TOKEN}"
"""The `receipt_url` of accounts in tests."""

MESSAGE_URL = f"{RECEIPT_URL}?{MESSAGE_PARAMETER}={MESSAGE_ID}"
"""The same with our id of the message, for providers that return no reference."""

INBOUND_URL = f"https://gonets.example/v1/inbound/gateway-1/{CALLBACK_TOKEN}"

RECEIVED_AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
"""When callbacks of tests arrive."""

Sign = Callable[[Callback, Account], Callback]
"""The callback as the provider signs it with the secrets of an account. It must take any body and any address."""


@dataclass(frozen=True, kw_only=True)
class CallbackSamples:
    """The callbacks of a provider, unsigned, and what they say."""

    receipts: Sequence[tuple[Callback, list[Receipt]]] = ()
    """One for each kind at least: on its way, delivered, undelivered, in parts. An empty list is what it says of
    something else, if the provider sends that to the same address."""
    new_status: Callback | None = None
    """A receipt with a status that is not documented."""
    inbound: Sequence[tuple[Callback, list[InboundPart]]] = ()
    sign: Sign = lambda callback, account: callback
    signature_in: Sequence[str] = ()
    """The names of the headers (in lower case) or fields that `sign` adds, if it adds any. All of them are needed."""
    signs_url: bool = False
    """The signature covers the address."""
    signs_time: bool = False
    """The signature covers the time, RECEIVED_AT."""
    signature_optional: bool = True
    """An account without optional credentials takes unsigned callbacks."""
    signs_only: Sequence[str] = ()
    """The fields that the signature covers, if it does not cover the whole body."""
    is_hexadecimal: bool = False
    """The signature is hexadecimal, in either case."""
    polls: Sequence[tuple[Answer, list[Receipt]]] = ()
    """Answers to the question for the deliveries of SENT."""
    sent: SentMessage | None = None
    account: Account | None = None
    """The account, if one with a value for every field would not do."""


def callbacks_of(provider: str) -> CallbackSamples | None:
    """The samples of a provider; None if it has none."""
    module = importlib.import_module(f"tests.unit.gateways.samples_{provider}")
    samples: CallbackSamples | None = getattr(module, "CALLBACKS", None)
    return samples


def callback_account(name: str) -> Account:
    """The account of the samples, which has every secret that signs, and the address for receipts."""
    provider, samples = PROVIDERS[name], callbacks_of(name)
    account = samples.account if samples else None
    if account is None:
        account = account_of(provider) if has_own_account(provider) else whole_account_of(provider)
    return replace(account, receipt_url=RECEIPT_URL)


def without_secrets(name: str, account: Account) -> Account:
    """The account without those credentials that need not be entered."""
    for key in [one.name for one in PROVIDERS[name].fields if one.secret and not one.required]:
        kept = {other: value for other, value in account.credentials.items() if other != key}
        with contextlib.suppress(ConfigurationError):  # one of several is needed
            PROVIDERS[name].make(replace(account, credentials=kept))
            account = replace(account, credentials=kept)
    return account


def reading(name: str, account: Account | None = None) -> Any:
    """The adapter of a provider, which reads callbacks."""
    adapter: Adapter = PROVIDERS[name].make(account or callback_account(name))
    return adapter


def called(method: str, url: str, body: bytes = b"", **headers: str) -> Callback:
    """A callback. `_` in names of headers stands for `-`."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Callback(method=method, url=url, headers=named, body=body, received_at=RECEIVED_AT)


def get(fields: Mapping[str, str], url: str = RECEIPT_URL, **headers: str) -> Callback:
    """A GET with these fields in the query."""
    return called("GET", f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}", b"", **headers)


def post_form(fields: Mapping[str, str], url: str = RECEIPT_URL, **headers: str) -> Callback:
    """A POST of a form."""
    headers.setdefault("content_type", "application/x-www-form-urlencoded; charset=UTF-8")
    return called("POST", url, urlencode(fields).encode(), **headers)


def form_fields(encoded: bytes) -> dict[str, str]:
    """The fields of a form."""
    return dict(parse_qsl(encoded.decode(), keep_blank_values=True))


def post_json(payload: object, url: str = RECEIPT_URL, **headers: str) -> Callback:
    """A POST of JSON."""
    headers.setdefault("content_type", "application/json")
    return called("POST", url, json.dumps(payload).encode(), **headers)


Said = tuple[ReceiptState, UndeliveredReason | None, str | None]
"""The state, the reason and the code of a receipt."""


def said_by(name: str, callback: Callback) -> Said:
    """What the only receipt of a callback says, which is signed before."""
    samples, account = callbacks_of(name), callback_account(name)
    assert samples
    [receipt] = reading(name).read_receipts(samples.sign(callback, account))
    return receipt.state, receipt.reason, receipt.code
