"""What the messages of a mailing took in segments and money, as their attempts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from api.bounded_reads import ReadTimeout, bounded_reads
from api.gateways.queries import gateway_names
from api.mailings.accepted_texts import ACCEPTED, AcceptedTexts, Counted, segments_of_uncounted
from api.mailings.shares import Cost, GatewayShare, costs_of, price_of

SECONDS = 10.0
"""How long the attempts may be read: those of some millions of messages."""

# By gateway and text.
READ_ACCEPTED = f"""
SELECT gateway, text_revision, count(*) AS messages, sum(segments) AS segments, sum(price) AS price,
    count(*) FILTER (WHERE segments IS NULL) AS uncounted, sum(segments) FILTER (WHERE price IS NULL) AS unpriced
FROM ({ACCEPTED}) AS accepted
GROUP BY gateway, text_revision
"""  # noqa: S608  put together of constants


@dataclass(frozen=True, slots=True)
class ActualCosts:
    """What was accepted, by gateway."""

    shares: list[GatewayShare] = field(default_factory=list)
    uncounted: int = 0
    """Messages of which the number of segments is not known."""

    @property
    def messages(self) -> int:
        """Messages that gateways accepted."""
        return sum(share.messages for share in self.shares)

    @property
    def segments(self) -> int:
        """Segments of those whose number is known."""
        return sum(share.segments for share in self.shares)

    @property
    def costs(self) -> list[Cost]:
        """Their cost in each currency, as far as prices are known."""
        return costs_of(self.shares)


class _Accepted(NamedTuple):
    """A row of READ_ACCEPTED."""

    gateway: str
    text_revision: int | None
    messages: int
    segments: int | None
    price: Decimal | None
    uncounted: int
    unpriced: int | None


def actual_costs(mailing_id: int) -> ActualCosts | None:
    """What was accepted so far; None if reading it takes too long."""
    try:
        with bounded_reads(SECONDS) as connection:
            found = connection.exec_driver_sql(READ_ACCEPTED, {"mailing_id": mailing_id})
            rows = [_Accepted(**row._mapping) for row in found]
    except ReadTimeout:
        return None
    uncounted = [AcceptedTexts(row.gateway, row.text_revision, row.uncounted) for row in rows if row.uncounted]
    return _summed(rows, segments_of_uncounted(mailing_id, uncounted, SECONDS) if uncounted else {})


def _summed(rows: Sequence[_Accepted], found_in_texts: Mapping[tuple[str, int | None], Counted]) -> ActualCosts:
    """The shares of gateways, the largest first. `found_in_texts`: what was counted of the uncounted ones."""
    gateways = {gateway.name: gateway for gateway in gateway_names().values()}
    found: dict[str, GatewayShare] = {}
    uncounted = 0
    for row in rows:
        gateway = gateways[row.gateway]
        in_texts = found_in_texts.get((row.gateway, row.text_revision), Counted())
        unknown = row.uncounted - in_texts.messages
        segments, unpriced = int(row.segments or 0) + in_texts.segments, int(row.unpriced or 0) + in_texts.segments
        price, currency = price_of(gateway)
        cost = row.price
        if unpriced or unknown:
            cost = None if price is None or unknown else (cost or Decimal(0)) + unpriced * price
        uncounted += unknown
        share = GatewayShare(gateway.name, row.messages, segments, cost, gateway.currency or currency)
        found[gateway.name] = _added(found[gateway.name], share) if gateway.name in found else share
    shares = sorted(found.values(), key=lambda share: (-share.messages, share.gateway))
    return ActualCosts(shares, uncounted)


def _added(one: GatewayShare, other: GatewayShare) -> GatewayShare:
    known = one.cost is not None and other.cost is not None
    return one._replace(
        messages=one.messages + other.messages,
        segments=one.segments + other.segments,
        cost=(one.cost or Decimal(0)) + (other.cost or Decimal(0)) if known else None,
    )
