"""Reads of gateways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from flask import current_app, g
from sqlalchemy import Select, select

from api.extensions import db
from api.gateways.receipt_settings import capabilities_of
from api.http.serialization import row_to_dict
from shared.credentials import UnreadableCredentialsError
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, NotFound
from shared.gateways.base import Capabilities
from shared.gateways.callback_addresses import INBOUND, RECEIPTS, callback_url
from shared.gateways.registry import PROVIDERS
from shared.schema import Gateway, GatewayAvailability

_PRESENT: Select[Gateway, bool] = (
    select(Gateway, GatewayAvailability.available)
    .join(GatewayAvailability, GatewayAvailability.gateway_id == Gateway.id)
    .where(Gateway.removed_at.is_(None))
)

GatewayRow = Gateway
"""A gateway, as the queries and services return it."""


class GatewayName(NamedTuple):
    """What the ledger shows of a gateway, also of one that has been removed."""

    name: str
    segment_price: Decimal | None
    currency: str | None
    """The currency of its prices."""


class CallbackAddresses(NamedTuple):
    """The addresses that a provider calls."""

    receipt_url: str | None
    inbound_url: str | None
    reason: str | None
    """Why one of them is none."""
    signs: bool


def gateways_after(after: int, limit: int) -> Sequence[dict[str, Any]]:
    """The gateways with a greater id that are not removed, in order."""
    page = _PRESENT.where(Gateway.id > after).order_by(Gateway.id).limit(limit)
    return [_as_dict(*row) for row in db.session.execute(page)]


def gateway_by_id(gateway_id: int) -> dict[str, Any]:
    """The columns of a gateway, whether it is `available`, and as `credentials` the names of those that are stored.

    Raises NotFound, also for a removed one.
    """
    row = db.session.execute(_PRESENT.where(Gateway.id == gateway_id).execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFound(ErrorCode.NO_SUCH_GATEWAY, gateway=gateway_id)
    return _as_dict(*row)


def callback_addresses(gateway_id: int) -> CallbackAddresses:
    """The addresses that the provider of a gateway calls. Raises NotFound, also for a removed one."""
    gateway = gateway_by_id(gateway_id)
    provider, public_url = PROVIDERS.get(gateway["provider"]), current_app.config["PUBLIC_URL"]
    capabilities = capabilities_of(provider, gateway["options"]) if provider else Capabilities()

    def url(kind: str, *, has: bool) -> str | None:
        return callback_url(public_url, kind, gateway["name"], gateway["callback_token"]) or None if has else None

    receipts, inbound = url(RECEIPTS, has=capabilities.receipts), url(INBOUND, has=capabilities.inbound)
    reason = None
    if receipts is None or inbound is None:
        reason = (ErrorCode.NO_PUBLIC_URL if not public_url else ErrorCode.NO_SUCH_CALLBACKS)()
    return CallbackAddresses(receipts, inbound, reason, capabilities.signs)


def gateway_names() -> Mapping[int, GatewayName]:
    """All gateways by id, removed ones too. Read once a request: their names never change."""
    if "gateway_names" not in g:
        rows = db.session.execute(select(Gateway.id, Gateway.name, Gateway.segment_price, Gateway.currency))
        g.gateway_names = {row.id: GatewayName(row.name, row.segment_price, row.currency) for row in rows}
    names: Mapping[int, GatewayName] = g.gateway_names
    return names


def gateway_id_of(name: str | None) -> int | None:
    """The id of the gateway of that name, also of one that has been removed; None for None. Raises Conflict."""
    if name is None:
        return None
    found = next((gateway_id for gateway_id, gateway in gateway_names().items() if gateway.name == name), None)
    if found is None:
        raise Conflict("gateway", ErrorCode.NO_SUCH_GATEWAY, gateway=name)
    return found


def forget_gateway_names() -> None:
    """Has the names read again, after a change within this request."""
    g.pop("gateway_names", None)


def credentials_of(gateway: Gateway) -> dict[str, str]:
    """The decrypted credentials. Raises UnreadableCredentialsError if no key decrypts them."""
    cipher = current_app.config["CREDENTIAL_CIPHER"]
    return {} if gateway.credentials is None else dict(cipher.decrypt(gateway.credentials))


def _as_dict(gateway: Gateway, available: bool) -> dict[str, Any]:
    try:
        names = sorted(credentials_of(gateway))
    except UnreadableCredentialsError:
        names = None
    return row_to_dict(gateway, available=available, credentials=names)
