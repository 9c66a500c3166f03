"""The write behind the links: a recipient opts out."""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from api.clock import now
from api.database import DEADLOCK, sqlstate_of, try_again
from api.extensions import db
from api.opt_out.queries import LinkedMessage
from api.suppressions.services import suppress
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope

log = logging.getLogger(__name__)

MAX_USER_AGENT = 200
"""Characters of `User-Agent` in the evidence."""

_KEPT_BITS = {4: 24, 6: 48}
"""Of the address in the evidence, by the version of IP: the network, and not the device."""


class Visitor(NamedTuple):
    """Who has pressed the button, as far as it is known."""

    user_agent: str
    address: str | None


def opt_out(message: LinkedMessage, visitor: Visitor) -> None:
    """Suppresses the number of a message for everything, and cancels what waits for it. Commits. Safe to repeat."""
    evidence = {
        "message_id": message.id,
        "mailing_id": message.mailing_id,
        "at": now().isoformat(),
        "user_agent": _printable(visitor.user_agent),
        "network": _network_of(visitor.address),
    }
    # Tried again after a deadlock with a claim of several of the number's messages: nobody may press a second time.
    if try_again(lambda: _suppress(message.phone_number, evidence), lambda error: sqlstate_of(error) == DEADLOCK):
        log.info("opt_out.recorded", extra={"mailing_id": message.mailing_id, "message_id": message.id})


def _suppress(phone_number: int, evidence: dict[str, Any]) -> bool:
    """Suppresses a number. Commits. Returns whether it was not suppressed before."""
    everything, opted_out = SuppressionScope.EVERYTHING, SuppressionReason.OPTED_OUT
    try:
        recorded = suppress(phone_number, everything, opted_out, RecordSource.LINK, evidence=evidence)
        db.session.commit()
    except DBAPIError:
        db.session.rollback()
        raise
    return recorded.is_new


def _printable(text: str) -> str:
    """ASCII only, which every database stores."""
    return "".join(character for character in text if " " <= character <= "~")[:MAX_USER_AGENT]


def _network_of(address: str | None) -> str | None:
    """The network of an address, such as 203.0.113.0/24."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ip_network((parsed, _KEPT_BITS[parsed.version]), strict=False))
