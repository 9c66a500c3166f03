"""Mutations of what workers do with receipts. Like those of mutations.py, they edit the worker's own code."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shared.domain.delivery import DeliveryReport, FoldedDelivery, fold
from shared.domain.statuses import MessageStatus
from shared.sql import receipts
from tests.chaos.mutations import edit, edit_function
from worker.maintenance import folded_messages

PAUSE = "; SELECT pg_sleep(0.2)"
"""Leaves others more time between two statements."""


def receipt_dropped() -> None:
    """Some receipts are applied, and not kept."""
    edit(receipts, "MOVE_RECEIPTS", "WHERE number = 1", "WHERE number = 1 AND mod(matched_id, 3) > 0")


def last_one_wins() -> None:
    """The delivery is what the last receipt says."""
    within = f"number <= {receipts.RECEIPTS_READ}"
    edit(receipts, "READ_RECEIPTS", within, f"{within} ORDER BY received_at")
    vars(folded_messages)["fold"] = lambda reports, segments=None: fold(reports[-1:], segments)


def part_forgotten() -> None:
    """The first part of a long text is not looked at."""

    def fold_others(reports: Collection[DeliveryReport], segments: int | None = None) -> FoldedDelivery:
        return fold([report for report in reports if report.part != "1"] or reports, segments)

    vars(folded_messages)["fold"] = fold_others


def matched_without_the_gateway() -> None:
    """A receipt is matched by an id, whichever gateway it is of."""
    named = "attempt.provider_message_id = taken.provider_message_id AND gateway = name"
    ours = "(message.gateway_id = taken.gateway_id OR EXISTS ("
    for statement in ("TAKE_RECEIPTS", "MOVE_ORPHANS"):
        edit(receipts, statement, named, named.removesuffix(" AND gateway = name"))
        edit(receipts, statement, ours, ours.replace("(message", "(TRUE OR message", 1))


def orphan_not_adopted() -> None:
    """A receipt that came before the answer to its submission is never looked at again."""
    edit(receipts, "ADOPT_ORPHANS", "WHERE attempt", "WHERE FALSE AND attempt")


def adopted_without_the_lock() -> None:
    """Recording providers' ids takes no lock against moving receipts to the orphans."""
    receipts.SHARE_RECEIPTS = "SELECT"
    receipts.ADOPT_ORPHANS += PAUSE


def doubt_not_settled() -> None:
    """A receipt says nothing about the doubt whether a message was accepted."""

    def keep(folded: FoldedDelivery, status: MessageStatus, **given: Any) -> MessageStatus:
        return status

    vars(folded_messages)["status_after"] = keep


def silence_called_undelivered() -> None:
    """A message that no receipt came for is taken for undelivered."""
    edit(receipts, "END_WAIT", "SET delivery = 'no_receipt'", "SET delivery = 'undelivered', delivery_reason = 'other'")


def counts_without_delivery() -> None:
    """A message that changes its delivery is not counted again."""
    edit_function("message_updated", "status, delivery, 1 AS came", "status, NULL::delivery AS delivery, 1 AS came")


def wait_ended_for_all() -> None:
    """The deadline ends the wait for messages whose receipts have come, too."""
    edit(receipts, "END_WAIT", "delivery = 'awaiting' ORDER", "delivery IN ('awaiting', 'delivered') ORDER")
    edit(receipts, "END_WAIT", "AND delivery = 'awaiting'\n", "AND delivery IN ('awaiting', 'delivered')\n")
