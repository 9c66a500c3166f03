"""Delivery: what became of a message after its provider accepted it, as its receipts say.

The delivery is a fold over the set of receipts: their order, repeats and early arrival cannot matter. States are
partially ordered: accepted < unknown < delivered, undelivered. Between the last two the provider's time decides, then
their rank, and the contradiction stays visible. Pure: no clock. (docs/adr/0030-delivery-is-a-fold-over-receipts.md)
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from shared.domain.statuses import MessageStatus


class Delivery(enum.StrEnum):
    """The delivery of a sent message. `sent` = the sum of these."""

    AWAITING = "awaiting"
    """No final receipt yet."""
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    NO_RECEIPT = "no_receipt"
    """None came within the gateway's deadline, or its gateway sends none: nothing is known. Not a failure."""


def known_delivery(status: MessageStatus, delivery: Delivery | None) -> Delivery | None:
    """The delivery of a message as it is shown; None unless it is sent. A sent one without any has no receipt."""
    if status is not MessageStatus.SENT:
        return None
    return delivery or Delivery.NO_RECEIPT


class ReceiptState(enum.StrEnum):
    """The state that one receipt reports, the least decisive first."""

    ACCEPTED = "accepted"
    """On its way: queued, sent, or accepted by the operator."""
    UNKNOWN = "unknown"
    """The provider does not know, and expects to learn no more."""
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


class UndeliveredReason(enum.StrEnum):
    """Why a message was not delivered."""

    EXPIRED = "expired"
    """The handset was not reached in time."""
    BLOCKED = "blocked"
    """By the operator, a filter or the handset."""
    UNKNOWN_SUBSCRIBER = "unknown_subscriber"
    """The number is not assigned, or cannot receive text messages."""
    OPTED_OUT = "opted_out"
    REJECTED = "rejected"
    """By the provider or the operator, for another reason."""
    OTHER = "other"


FINAL_STATES = frozenset({ReceiptState.DELIVERED, ReceiptState.UNDELIVERED})
"""Two receipts with different states of these contradict each other."""

_RANK = {state: rank for rank, state in enumerate(ReceiptState)}

_NEVER = datetime.min.replace(tzinfo=UTC)


class DeliveryReport(NamedTuple):
    """The part of a receipt that decides."""

    state: ReceiptState
    reason: UndeliveredReason | None = None
    """Of an undelivered one."""
    code: str | None = None
    """The provider's code."""
    at: datetime | None = None
    """When it happened, as the provider says. Without an offset it is taken for UTC."""
    part: str | None = None
    """The part that it is about: its number, or the provider's id of it. None if it is about the whole message."""
    parts: int | None = None
    """The number of parts, if it says so."""


class FoldedDelivery(NamedTuple):
    """The outcome of a set of receipts."""

    state: ReceiptState
    reason: UndeliveredReason | None
    code: str | None
    at: datetime | None
    parts: int | None
    """The number of parts, if receipts are about single parts."""
    parts_delivered: int | None
    conflicting: bool
    """Whether receipts contradict each other: about the outcome, or about the number of parts."""

    @property
    def delivery(self) -> Delivery | None:
        """The delivery that the receipts decide; None if they decide none yet."""
        return _DELIVERIES.get(self.state)


_DELIVERIES = {
    ReceiptState.DELIVERED: Delivery.DELIVERED,
    ReceiptState.UNDELIVERED: Delivery.UNDELIVERED,
    ReceiptState.UNKNOWN: Delivery.NO_RECEIPT,
}


def fold(reports: Collection[DeliveryReport], segments: int | None = None) -> FoldedDelivery:
    """The delivery that a set of receipts, of which there is at least one, describes.

    A message in parts is delivered when all parts are, and undelivered when one is. `segments` is the number of parts
    that were accepted, for receipts that do not say it. If nobody says it, parts alone never make it delivered.

    A further receipt never takes back that a delivery is final, even if it names more parts, or contradicts the receipt
    that made it final.
    """
    whole = [report for report in reports if report.part is None]
    parts: dict[str, list[DeliveryReport]] = {}
    for report in reports:
        if report.part is not None:
            parts.setdefault(report.part, []).append(report)
    if not parts:
        return _folded(_verdict(whole), None, None, conflicting=_contradict(whole))
    said = [report.parts for report in reports if report.parts]
    count = max(len(parts), *(said or [segments or 0]))
    delivered = sum(_verdict(of_part).state is ReceiptState.DELIVERED for of_part in parts.values())
    together = _together(parts.values(), min([*said, *([segments] if segments else [])], default=None))
    deciding = [together, *([_verdict(whole)] if whole else [])]
    return _folded(
        _verdict(deciding),
        count,
        delivered,
        conflicting=any(_contradict(about_one) for about_one in (deciding, whole, *parts.values()))
        or (together.state is ReceiptState.DELIVERED and delivered < count),
    )


def _verdict(reports: Iterable[DeliveryReport]) -> DeliveryReport:
    """The deciding one of receipts about one part, or about the whole message.

    A final state is stronger than any other; of two, the later one is, then the one of higher rank.
    """
    final = [report for report in reports if report.state in FINAL_STATES]
    return max(final, key=_strength_of_time) if final else max(reports, key=_strength_of_state)


def _contradict(reports: Iterable[DeliveryReport]) -> bool:
    return len({report.state for report in reports} & FINAL_STATES) > 1


def _together(parts: Collection[list[DeliveryReport]], count: int | None) -> DeliveryReport:
    """Of several parts as one. `count` is their number, for receipts that do not say it."""
    verdicts = [_verdict(of_part) for of_part in parts]
    failed = [verdict for verdict in verdicts if verdict.state is ReceiptState.UNDELIVERED]
    if failed:
        # The first one that failed says why.
        return min(failed, key=_strength_of_time)
    if _are_all(parts, count, ReceiptState.DELIVERED):
        delivered = [verdict for verdict in verdicts if verdict.state is ReceiptState.DELIVERED]
        return max(delivered, key=_strength_of_time)
    # Of a part that was delivered after all, while others are missing: the message is not awaited again.
    overruled = [report for of_part in parts for report in of_part if report.state is ReceiptState.UNDELIVERED]
    if overruled:
        return min(overruled, key=_strength_of_time)
    if _are_all(parts, count, ReceiptState.DELIVERED, ReceiptState.UNKNOWN):
        return DeliveryReport(ReceiptState.UNKNOWN)
    return DeliveryReport(ReceiptState.ACCEPTED)


def _are_all(parts: Collection[list[DeliveryReport]], count: int | None, *states: ReceiptState) -> bool:
    """Whether the parts in these states are as many as the receipts that tell their states say.

    Receipts that came later and name a greater number, or another part, change nothing.
    """
    counts = []
    for of_part in parts:
        if _verdict(of_part).state in states:
            settled = [report for report in of_part if report.state is not ReceiptState.ACCEPTED]
            counts.append(min(report.parts or count or math.inf for report in settled))
    return any(number <= found for found, number in enumerate(sorted(counts), 1))


def _strength_of_state(report: DeliveryReport) -> tuple[object, ...]:
    return _RANK[report.state], *_time_key(report), *_last_key(report)


def _strength_of_time(report: DeliveryReport) -> tuple[object, ...]:
    return *_time_key(report), _RANK[report.state], *_last_key(report)


def _time_key(report: DeliveryReport) -> tuple[bool, datetime]:
    """A receipt without a time is earlier than any other."""
    at = _time_of(report)
    return (False, _NEVER) if at is None else (True, at)


def _last_key(report: DeliveryReport) -> tuple[object, ...]:
    """What decides between equals, so that it is always the same one."""
    return report.code is not None, report.code or "", report.reason or ""


def _time_of(report: DeliveryReport) -> datetime | None:
    """In UTC, also without an offset."""
    at = report.at
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _folded(report: DeliveryReport, parts: int | None, delivered: int | None, *, conflicting: bool) -> FoldedDelivery:
    return FoldedDelivery(
        report.state, report.reason, report.code, _time_of(report), parts, delivered, conflicting=conflicting
    )


def status_after(folded: FoldedDelivery, status: MessageStatus, *, in_doubt: bool) -> MessageStatus | None:
    """The status of a message after its receipts; None while it is being sent: the answer comes first.

    Receipts that say `delivered` make the message sent. `accepted` does so unless it has failed, and anything else only
    for a message that is in doubt or `unknown`.
    """
    if status is MessageStatus.SENDING:
        return None
    on_its_way = folded.state is ReceiptState.ACCEPTED and status is not MessageStatus.FAILED
    if in_doubt or status is MessageStatus.UNKNOWN or on_its_way or folded.state is ReceiptState.DELIVERED:
        return MessageStatus.SENT
    return status
