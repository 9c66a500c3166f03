"""What the conformance suite needs of each provider: an account, and samples of its answers.

tests/unit/gateways/samples_<provider>.py has them: `SAMPLES`, and an `ACCOUNT` where one made up from the provider's
fields would not do.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence

from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account, AccountField, Adapter, Provider, SubmitResult
from shared.gateways.registry import PROVIDERS
from tests.submit_results import Answer

Samples = Mapping[str, Sequence[Answer]]
"""By the result that they have, and `other_id` for answers about another message. `duplicate` is also an answer that
means a duplicate only if an earlier request may have been accepted. `{id}` and `{phone}` are the message's."""

OTHER_ID = "other_id"
KINDS = {OTHER_ID, *(result.value for result in Result if result is not Result.UNREACHABLE)}


def has_result(read: SubmitResult, kind: str) -> bool:
    """Whether a sample of this kind was read as it should be."""
    if kind == OTHER_ID:
        return read.result is Result.AMBIGUOUS and read.not_understood
    if kind == Result.DUPLICATE and read.perhaps_duplicate:
        return read.result is Result.REFUSED
    return read.result.value == kind


def samples_of(provider: str) -> Samples:
    """The samples of a provider; none if it has no module of them."""
    name = f"tests.unit.gateways.samples_{provider}"
    if importlib.util.find_spec(name) is None:
        return {}
    samples: Samples = importlib.import_module(name).SAMPLES
    return samples


def has_own_account(provider: Provider) -> bool:
    """Whether the samples come with an account."""
    return _own_account_of(provider) is not None


def account_of(provider: Provider) -> Account:
    """The account of the samples, or one made up from the provider's fields."""
    if account := _own_account_of(provider):
        return account
    account = _made_up(provider, [one for one in provider.fields if one.required or one.default])
    try:
        provider.make(account)
    except ConfigurationError:  # one of several fields is needed
        return whole_account_of(provider)
    return account


def whole_account_of(provider: Provider) -> Account:
    """An account with a value for each of the provider's fields."""
    return _made_up(provider, provider.fields)


def _own_account_of(provider: Provider) -> Account | None:
    if not samples_of(provider.name):
        return None
    module = importlib.import_module(f"tests.unit.gateways.samples_{provider.name}")
    account: Account | None = getattr(module, "ACCOUNT", None)
    return account


def _made_up(provider: Provider, fields: Sequence[AccountField]) -> Account:
    values = {
        one.name: one.default or (one.choices[0] if one.choices else f"s3cret-{one.name.replace('_', '-')}")
        for one in fields
    }
    secret = {one.name for one in fields if one.secret}
    return Account(
        address="http://gateway.example",
        sender="Gonets",
        credentials={name: value for name, value in values.items() if name in secret},
        options={name: value for name, value in values.items() if name not in secret},
    )


def adapter_of(provider: str) -> Adapter:
    """A new adapter of the provider's account."""
    return PROVIDERS[provider].make(account_of(PROVIDERS[provider]))


def all_samples(provider: str) -> Iterator[tuple[str, Answer]]:
    """Every sample of a provider, with its result."""
    for kind, samples in samples_of(provider).items():
        for sample in samples:
            yield kind, sample
