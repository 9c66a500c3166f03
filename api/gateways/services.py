"""Writes of gateways: adding, changing, pausing, resuming and removing them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app
from sqlalchemy import any_, func, literal, select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.database import execute
from api.extensions import db
from api.gateways.account_check import check_account
from api.gateways.queries import credentials_of, forget_gateway_names
from api.gateways.receipt_settings import capabilities_of, check_receipts
from api.gateways.schemas import EDITABLE
from shared.credentials import UnreadableCredentialsError
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, Invalid, NotFound
from shared.gateways.base import DEFAULT_GATEWAY, Account
from shared.gateways.registry import PROVIDERS
from shared.json_parameter import json_parameter
from shared.locks import ROUTING
from shared.schema import Gateway, Path, Route
from shared.sql import gateways

DEFAULTS: Mapping[str, Any] = {
    "address": "",
    "sender": "",
    "options": {},
    "rate": 0.0,
    "concurrency": None,
    "receipts": False,
    "receipt_hours": 72,
    "poll_receipts": False,
    "no_receipt_prefixes": [],
    "min_delivery_percent": None,
    "segment_price": None,
    "currency": None,
}
"""The settings of a new gateway that are left out."""

OF_ACCOUNT = ("address", "sender", "options")
"""The settings that the provider's adapter checks, with the credentials."""

OF_ENVIRONMENT = ("address", "sender", "options", "credentials", "rate", "concurrency")
"""The settings of the gateway `default` that are those of the workers."""


def lock_routing() -> None:
    """Lets other changes of gateways and routes wait until the end of the transaction."""
    db.session.execute(select(func.pg_advisory_xact_lock(*ROUTING)))


def lock_gateway(gateway_id: int) -> Gateway:
    """The gateway, locked against all other writers until the end of the transaction.

    Raises NotFound, also for a removed one.
    """
    lock_routing()
    gateway = db.session.get(Gateway, gateway_id, with_for_update=True, populate_existing=True)
    if gateway is None or gateway.removed_at is not None:
        raise NotFound(ErrorCode.NO_SUCH_GATEWAY, gateway=gateway_id)
    return gateway


def add_gateway(fields: Mapping[str, Any]) -> int:
    """Adds a gateway and returns its id.

    Raises Invalid for a wrong field, Conflict without a key for credentials, and IntegrityError for a name in use.
    """
    provider = PROVIDERS.get(fields["provider"])
    if provider is None:
        raise Invalid("provider", ErrorCode.NO_SUCH_PROVIDER, choices=", ".join(PROVIDERS))
    settings = {**DEFAULTS, **{name: fields[name] for name in EDITABLE if name in fields}}
    _check_price(settings)
    account = check_account(
        provider,
        credentials=fields.get("credentials", {}),
        **{name: settings[name] for name in OF_ACCOUNT},
    )
    check_receipts(provider, settings)
    stored = _stored(settings, account) | {"credentials": _encrypted(account.credentials)}
    lock_routing()
    added = execute(gateways.ADD_GATEWAY, stored | {"name": fields["name"], "provider": provider.name})
    gateway_id = int(added.scalar_one())
    forget_gateway_names()
    name_object("gateway", gateway_id, name=fields["name"], provider=provider.name)
    _tell_callbacks()
    return gateway_id


def change_gateway(gateway: Gateway, fields: Mapping[str, Any]) -> None:
    """Changes a locked gateway; what is left out stays.

    Raises Invalid and Conflict: also for credentials that would go to another host without having been entered for it,
    and for another account while the present one may have messages, unless `same_account` is set.
    """
    before = {name: getattr(gateway, name) for name in EDITABLE}
    given = {name: value for name, value in fields.items() if name in EDITABLE}
    if "options" in given:
        given["options"] = {**gateway.options, **given["options"]}
    after, credentials = {**before, **given}, dict(fields.get("credentials", {}))
    if gateway.name == DEFAULT_GATEWAY:
        for name in OF_ENVIRONMENT:
            if credentials if name == "credentials" else after.get(name) != before.get(name):
                raise Conflict(name, ErrorCode.GATEWAY_OF_ENVIRONMENT)
    _check_price(after, fixed=gateway.currency)
    changed_credentials: list[str] = []
    encrypted = gateway.credentials
    if credentials or any(after[name] != before[name] for name in OF_ACCOUNT):
        stored_before = _decrypted(gateway, replaced=credentials)
        account = check_account(
            PROVIDERS[gateway.provider],
            credentials={**stored_before, **credentials},
            **{name: after[name] for name in OF_ACCOUNT},
        )
        _check_host(gateway, account.address, {*stored_before} - {*credentials})
        if not fields.get("same_account"):
            _check_unsettled(gateway, account)
        after |= {"address": account.address, "sender": account.sender, "options": dict(account.options)}
        names = sorted({*stored_before, *account.credentials})
        changed_credentials = [name for name in names if stored_before.get(name) != account.credentials.get(name)]
        encrypted = _encrypted(account.credentials) if changed_credentials else encrypted
    check_receipts(PROVIDERS[gateway.provider], after, before)
    if after == before and not changed_credentials:
        nothing_changed()
        return
    record_changes(before, after)
    if changed_credentials:
        name_object("gateway", gateway.id, credentials=changed_credentials)
    values = {**after, "options": json_parameter(after["options"]), "credentials": encrypted, "gateway_id": gateway.id}
    execute(gateways.CHANGE_GATEWAY, values, changes=[gateway])
    forget_gateway_names()
    _tell_callbacks()


def renew_callback_addresses(gateway: Gateway) -> None:
    """Gives a locked gateway new addresses for its provider. Those it had end within seconds, in every process."""
    execute(gateways.RENEW_CALLBACK_ADDRESSES, {"gateway_id": gateway.id}, changes=[gateway])
    _tell_callbacks()


def pause_gateway(gateway: Gateway) -> None:
    """Pauses a locked gateway: workers submit nothing to it from their next poll on."""
    _set_paused(gateway, gateways.PAUSE_GATEWAY, is_so=gateway.paused_at is not None)


def resume_gateway(gateway: Gateway) -> None:
    """Ends the pause of a locked gateway."""
    _set_paused(gateway, gateways.RESUME_GATEWAY, is_so=gateway.paused_at is None)


def remove_gateway(gateway: Gateway) -> None:
    """Removes a locked gateway, with its credentials. Raises Conflict while it is in use."""
    if gateway.name == DEFAULT_GATEWAY:
        raise Conflict("name", ErrorCode.GATEWAY_IS_KEPT)
    listing = select(Route.name).join(Path, Path.route_id == Route.id).where(Route.removed_at.is_(None))
    names = db.session.scalars(
        listing.where(literal(gateway.id) == any_(Path.gateway_ids)).distinct().order_by(Route.name)
    ).all()
    if names:
        raise Conflict("name", ErrorCode.GATEWAY_IN_ROUTES, routes=", ".join(names))
    if execute(gateways.WAITS_FOR_GATEWAY, {"gateway_id": gateway.id}).scalar_one() or _unsettled(gateway):
        raise Conflict("name", ErrorCode.GATEWAY_IS_AWAITED)
    execute(gateways.REMOVE_GATEWAY, {"gateway_id": gateway.id}, changes=[gateway])
    _tell_callbacks()


def rotate_credentials() -> int:
    """Encrypts the credentials of all gateways with the first key, and returns how many there are.

    Raises UnreadableCredentialsError if no key decrypts some of them; nothing is changed then.
    """
    lock_routing()
    stored = select(Gateway).where(Gateway.credentials.is_not(None)).order_by(Gateway.id).with_for_update()
    found = db.session.scalars(stored).all()
    for gateway in found:
        try:
            credentials = credentials_of(gateway)
        except UnreadableCredentialsError as error:
            raise UnreadableCredentialsError(f"gateway {gateway.name}: {error}") from error
        values = {"gateway_id": gateway.id, "credentials": _encrypted(credentials)}
        execute(gateways.STORE_CREDENTIALS, values, changes=[gateway])
    return len(found)


def _tell_callbacks() -> None:
    """Lets a change apply to callbacks in this process after the commit; in others it does within seconds."""

    @after_this_request
    def forget(response: Response) -> Response:
        current_app.extensions["callbacks"].forget_gateways()
        return response


def _check_host(gateway: Gateway, address: str, kept: Collection[str]) -> None:
    """Raises Invalid if credentials that were entered for one host would be sent to another one.

    Otherwise an administrator could read the credentials of a gateway by changing its address to a server of theirs.
    """
    public = PROVIDERS[gateway.provider].address
    before, after = (urlsplit(one or public)[:2] for one in (gateway.address, address))
    if before != after:
        for place in sorted(f"credentials.{name}" for name in kept):
            raise Invalid(place, ErrorCode.CREDENTIAL_OF_OTHER_ADDRESS)


def _check_unsettled(gateway: Gateway, account: Account) -> None:
    """Raises Conflict for another address or other options while results are open that only this account knows."""
    capabilities = capabilities_of(PROVIDERS[gateway.provider], gateway.options)
    if not (capabilities.looks_up or capabilities.deduplicates):
        return
    if (account.address, account.options) != (gateway.address, gateway.options):
        count = _unsettled(gateway)
        if count:
            raise Conflict("same_account", ErrorCode.ACCOUNT_IN_USE, messages=count)


def _unsettled(gateway: Gateway) -> int:
    """How many messages are in flight or in doubt at a gateway."""
    found = execute(gateways.UNSETTLED_AT_GATEWAY, {"gateway_id": gateway.id, "name": gateway.name})
    return int(found.scalar_one())


def _set_paused(gateway: Gateway, statement: str, *, is_so: bool) -> None:
    if is_so:
        nothing_changed()
    else:
        execute(statement, {"gateway_id": gateway.id}, changes=[gateway])


def _check_price(settings: Mapping[str, Any], fixed: str | None = None) -> None:
    if (settings["segment_price"] is None) != (settings["currency"] is None):
        raise Invalid("currency", ErrorCode.PRICE_AND_CURRENCY)
    if fixed is not None and settings["currency"] != fixed:
        raise Conflict("currency", ErrorCode.CURRENCY_IS_FIXED, currency=fixed)


def _stored(settings: Mapping[str, Any], account: Account) -> dict[str, Any]:
    options = json_parameter(dict(account.options))
    return {**settings, "address": account.address, "sender": account.sender, "options": options}


def _encrypted(credentials: Mapping[str, str]) -> str | None:
    if not credentials:
        return None
    cipher = current_app.config["CREDENTIAL_CIPHER"]
    if not cipher.has_key:
        raise Conflict("credentials", ErrorCode.NO_CREDENTIALS_KEY)
    return str(cipher.encrypt(credentials))


def _decrypted(gateway: Gateway, replaced: Mapping[str, str]) -> dict[str, str]:
    """The stored credentials; none if they cannot be decrypted, and new ones replace all that the provider has."""
    try:
        return credentials_of(gateway)
    except UnreadableCredentialsError:
        needed = {field.name for field in PROVIDERS[gateway.provider].fields if field.secret and field.required}
        if needed and needed <= {name for name, value in replaced.items() if value.strip()}:
            return {}
        raise Conflict("credentials", ErrorCode.CREDENTIALS_UNREADABLE) from None
