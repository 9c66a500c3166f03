"""Callbacks by which vendors' own validators and signers are compared with our checker and the signers of our tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from shared.gateways.base import Callback, CallbackRejectedError
from tests.unit.gateways.callback_cases import callback_account, callbacks_of, reading

Validates = Callable[[Callback], bool]
"""Whether the vendor's validator accepts a signed callback."""


def unsigned(name: str) -> Iterator[Callback]:
    """The callbacks of the samples, unsigned."""
    samples = callbacks_of(name)
    assert samples
    for callback, _ in (*samples.receipts, *samples.inbound):
        yield callback


def signed_by_us(name: str) -> Iterator[Callback]:
    """The callbacks of the samples as our tests sign them."""
    samples = callbacks_of(name)
    assert samples
    for callback in unsigned(name):
        yield samples.sign(callback, callback_account(name))


def is_accepted(name: str, callback: Callback, adapter: Any = None) -> bool:
    """Whether our adapter takes the signature for the provider's. The callback need not be about receipts, or parse."""
    refused = 0
    adapter = adapter or reading(name)
    for read in (adapter.read_receipts, adapter.read_inbound):
        try:
            read(callback)
        except CallbackRejectedError:
            refused += 1
        except ValueError:
            continue
    return refused == 0


def changed(callback: Callback) -> Iterator[Callback]:
    """The signed callback with each byte of its body, its address and its signature changed, one at a time."""
    body, url = callback.body, callback.url
    for at in range(len(body)):
        yield replace(callback, body=body[:at] + bytes([(body[at] + 1) % 128]) + body[at + 1 :])
    for at in range(len("https://"), len(url)):
        yield replace(callback, url=f"{url[:at]}{chr(ord(url[at]) + 1)}{url[at + 1 :]}")
    for name, value in callback.headers.items():
        if name == "content-type":
            continue
        for at in range(len(value)):
            other = "A" if value[at] != "A" else "B"
            yield replace(callback, headers={**callback.headers, name: f"{value[:at]}{other}{value[at + 1 :]}"})
        yield replace(callback, headers={key: one for key, one in callback.headers.items() if key != name})


def disagreements(name: str, validates: Validates, callback: Callback) -> list[Callback]:
    """The changes of a signed callback which one of the two validators accepts and the other does not."""
    return [one for one in changed(callback) if validates(one) is not is_accepted(name, one)]
