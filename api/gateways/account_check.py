"""The check of an account against its provider: the fields that it has, and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from api.gateways.address_check import checked_address
from shared.domain.sentences import ErrorCode
from shared.errors import ConfigurationError, Invalid
from shared.gateways.base import Account, AccountField, Provider

MAX_VALUE = 20_000
"""Characters of one field: a declared contract is the longest."""


def check_account(
    provider: Provider, *, address: str, sender: str, options: Mapping[str, str], credentials: Mapping[str, str]
) -> Account:
    """The account as it is stored: with the defaults of its options, and without blanks around its values.

    Raises Invalid, for the field that is wrong: `address`, `sender`, `options.NAME` or `credentials.NAME`.
    """
    account = Account(
        address=_address(provider, address),
        sender=_sender(provider, sender),
        options=_values("options", [field for field in provider.fields if not field.secret], options),
        credentials=_values("credentials", [field for field in provider.fields if field.secret], credentials),
    )
    try:
        provider.make(replace(account, address=account.address or provider.address))
    except ConfigurationError as error:
        raise Invalid(_field_named(provider, str(error)), ErrorCode.ACCOUNT_REFUSED, fault=str(error)) from error
    return account


def _address(provider: Provider, address: str) -> str:
    if address.strip():
        return checked_address(address)
    if not provider.address:
        raise Invalid("address", ErrorCode.ADDRESS_NEEDED)
    return ""


def _sender(provider: Provider, sender: str) -> str:
    sender = sender.strip()
    if not sender and provider.sender_required:
        raise Invalid("sender", ErrorCode.REQUIRED)
    return sender


def _values(place: str, fields: list[AccountField], given: Mapping[str, str]) -> dict[str, str]:
    for name in given.keys() - {field.name for field in fields}:
        raise Invalid(place, ErrorCode.NOT_A_FIELD_OF_PROVIDER, name=name)
    found = ((field.name, _value(f"{place}.{field.name}", field, given.get(field.name, ""))) for field in fields)
    return {name: value for name, value in found if value}


def _value(place: str, field: AccountField, given: str) -> str:
    value = given.replace("\r\n", "\n") if field.multiline else given.strip()
    value = value if value.strip() else field.default
    if not value:
        if field.required:
            raise Invalid(place, ErrorCode.REQUIRED)
    elif len(value) > MAX_VALUE:
        raise Invalid(place, ErrorCode.TOO_LONG, length=len(value), excess=len(value) - MAX_VALUE, limit=MAX_VALUE)
    elif field.choices and value not in field.choices:
        raise Invalid(place, ErrorCode.NOT_ONE_OF, choices=", ".join(field.choices))
    elif not field.multiline and not value.isprintable():
        raise Invalid(place, ErrorCode.NOT_ONE_LINE)
    return value


def _field_named(provider: Provider, fault: str) -> str:
    """The field that an adapter's error names first; `provider` if it names none."""
    found = re.match(r"(?:The field )?([a-z0-9_]+)\b", fault)
    name = found[1] if found else ""
    for field in provider.fields:
        if field.name == name:
            return f"{'credentials' if field.secret else 'options'}.{name}"
    return name if name in ("address", "sender") else "provider"
