"""Invariants of what becomes of messages after they were sent: receipts, and the delivery that they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from shared.domain.delivery import DeliveryReport, ReceiptState, UndeliveredReason, fold
from shared.domain.reasons import ReasonCode
from tests.chaos.facts import ReportedReceipt, StoredReceipt, Violation
from tests.chaos.message_history import CLOCK, Ledgers, MessageHistory

END = "end"
"""The detail of the event after which no more receipts come."""

OVERDUE_SECONDS = 5.0
"""For which the event may be noted before the waits are overdue."""

FINAL = ("delivered", "undelivered", "no_receipt")
SAME_END = 7
"""Digits of a phone number that are compared."""


def is_final(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A delivery is never awaited again, and neither given up nor forgotten once it is known."""
    for before, move in pairwise(history.moves):
        known = before.delivery in ("delivered", "undelivered")
        if before.delivery in FINAL and (
            move.delivery in (None, "awaiting") or (known and move.delivery == "no_receipt")
        ):
            yield _about(history, "delivery final", f"it went from {before.delivery} to {move.delivery}")


def ends_wait(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message that was awaited is given up only when its deadline has passed."""
    for place, (before, move) in enumerate(pairwise(history.moves)):
        if (before.delivery, move.delivery) != ("awaiting", "no_receipt"):
            continue
        awaited = next(one for one in history.moves[: place + 1] if one.delivery == "awaiting")
        if not any(
            awaited.began_at <= event.at + OVERDUE_SECONDS and event.at <= move.committed_at + CLOCK
            for event in ledgers.facts.events
            if event.what == "receipts overdue"
        ):
            yield _about(history, "silence", "it was given up before its deadline")


def is_folded(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """At the end the delivery is what the gateway's own record of taken receipts adds up to."""
    receipts = [receipt for receipt in ledgers.reported[history.message_id] if _is_about(receipt, history, ledgers)]
    if not _has_ended(ledgers) or history.last.status != "sent" or any(not one.acknowledged_at for one in receipts):
        return
    last = history.last
    if not receipts:
        expected: tuple[object, ...] = ("no_receipt" if _reports(history, ledgers) else None, None, False, None, None)
    else:
        folded = fold([_report(receipt) for receipt in receipts])
        reason = folded.reason if folded.state is ReceiptState.UNDELIVERED else None
        silence = "no_receipt" if _reports(history, ledgers) else None
        expected = (
            folded.delivery or silence,
            reason,
            folded.conflicting,
            folded.parts,
            folded.parts_delivered,
        )
    found = (last.delivery, last.delivery_reason, last.conflicting, last.parts, last.parts_delivered)
    if found != expected:
        said = f"it is {found}, and by the {len(receipts)} receipts that were taken {expected}"
        yield _about(history, "delivery folded", said)


def settles_doubts(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message that a receipt has come for is sent; and if that is how it became so, it is not claimed again."""
    taken = [
        receipt
        for receipt in ledgers.reported[history.message_id]
        if receipt.acknowledged_at and _is_about(receipt, history, ledgers)
    ]
    if taken and _has_ended(ledgers) and history.last.status != "sent":
        yield _about(history, "doubts settled", f"it is {history.last.status}, and its gateway reported on it")
    for before, move in pairwise(history.moves):
        if move.status == "sent" != before.status and move.reason_code == ReasonCode.RECEIPT_CAME:
            if not any(stored for stored in ledgers.stored[history.message_id]):
                yield _about(history, "doubts settled", "it was settled by a receipt, and has none")
            for claim in history.claims:
                if claim.committed_at > move.committed_at:
                    yield _about(history, "doubts settled", f"attempt {claim.number} began after a receipt")


def is_matched(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Each of its receipts is one that its gateway reported, about it."""
    reported = {
        (receipt.gateway, receipt.provider_message_id)
        for receipt in ledgers.reported[history.message_id]
        if _is_about(receipt, history, ledgers)
    }
    for stored in ledgers.stored[history.message_id]:
        gateway = ledgers.gateway_names.get(stored.gateway_id, "another gateway")
        if (gateway, stored.provider_message_id) not in reported:
            yield _about(
                history, "receipts matched", f"{gateway} reported on {stored.provider_message_id}, and not on it"
            )


def keeps_receipts(ledgers: Ledgers) -> Iterator[Violation]:
    """Every receipt that was answered with a success is stored, as often as it came."""
    stored: Counter[tuple[object, ...]] = Counter()
    for row in ledgers.facts.stored:
        stored[_row_key(row, ledgers)] += row.copies
    taken: dict[tuple[object, ...], list[ReportedReceipt]] = {}
    for receipt in ledgers.facts.reported:
        if receipt.acknowledged_at and receipt.about != "forged":
            taken.setdefault(_key(receipt), []).append(receipt)
    for key, receipts in taken.items():
        if stored[key] < len(receipts):
            first = receipts[0]
            said = f"{len(receipts)} receipts of {first.gateway} were taken, and {stored[key]} are stored: {first}"
            yield Violation("receipts kept", said, first.message_id or None)


def applies_receipts(ledgers: Ledgers) -> Iterator[Violation]:
    """At the end of a run, none is left in the queue."""
    left = sum(row.table == "receipt_queue" for row in ledgers.facts.stored)
    if left and _has_ended(ledgers):
        yield Violation("receipts applied", f"{left} are left in the queue")


def refuses_forged(ledgers: Ledgers) -> Iterator[Violation]:
    """No forged receipt is answered with a success."""
    for receipt in ledgers.facts.reported:
        if receipt.about == "forged" and receipt.acknowledged_at:
            yield Violation("forged refused", f"{receipt.gateway}: a forged receipt was taken: {receipt}")


def conserves_deliveries(ledgers: Ledgers) -> Iterator[Violation]:
    """sent = awaiting + delivered + undelivered + no_receipt, as the counts and the rows have it, in each snapshot."""
    for sample in ledgers.facts.samples:
        tallied, counted = sample.tallied_deliveries, sample.counted_deliveries
        sent = sample.counted.get("sent", 0)
        if tallied != counted or sum(counted.values()) != sent:
            said = f"at {sample.at:.3f}: {sent} sent, tallied {dict(tallied)}, counted {dict(counted)}"
            yield Violation("deliveries conserved", said, None, sample.mailing_id)


def is_verified(ledgers: Ledgers) -> Iterator[Violation]:
    """The command that verifies the ledger finds nothing."""
    for event in ledgers.facts.events:
        if event.what == "verify" and event.detail != "0":
            yield Violation("verified", f"it ended with {event.detail}")


RULES = (is_final, ends_wait, is_folded, settles_doubts, is_matched)
RULES_OF_ALL = (keeps_receipts, applies_receipts, refuses_forged, conserves_deliveries, is_verified)


def _has_ended(ledgers: Ledgers) -> bool:
    return any(event.what == "receipts overdue" and event.detail == END for event in ledgers.facts.events)


def _is_about(receipt: ReportedReceipt, history: MessageHistory, ledgers: Ledgers) -> bool:
    """Whether a receipt is about a message: by our id, of a gateway that it was submitted to, and for its recipient; or
    by the gateway's id, if an attempt has it.
    """
    tried = [attempt for attempt in history.attempts.values() if attempt.gateway == receipt.gateway]
    if receipt.about == "forged":
        return False
    if receipt.named_id:
        number = str(history.last.phone_number)
        same = str(receipt.phone)[-SAME_END:] == number[-SAME_END:]
        return receipt.named_id == history.message_id and same and bool(tried)
    return any(attempt.provider_message_id == receipt.provider_message_id for attempt in tried)


def _reports(history: MessageHistory, ledgers: Ledgers) -> bool:
    """Whether receipts are expected: of the gateway that has the message."""
    accepting = [attempt for attempt in history.written if attempt.accepted]
    if accepting:
        first = min(accepting, key=lambda attempt: attempt.committed_at)
        return ledgers.gateways[first.gateway].receipts
    name = ledgers.gateway_names.get(history.last.gateway_id or 0)
    return name is not None and ledgers.gateways[name].receipts


def _report(receipt: ReportedReceipt) -> DeliveryReport:
    return DeliveryReport(
        ReceiptState(receipt.state),
        UndeliveredReason(receipt.reason) if receipt.reason else None,
        receipt.code,
        None if receipt.at is None else datetime.fromtimestamp(receipt.at, UTC),
        None if receipt.part is None else str(receipt.part),
        receipt.parts,
    )


def _key(receipt: ReportedReceipt) -> tuple[object, ...]:
    part = None if receipt.part is None else str(receipt.part)
    return receipt.gateway, receipt.provider_message_id, receipt.state, receipt.reason, part


def _row_key(row: StoredReceipt, ledgers: Ledgers) -> tuple[object, ...]:
    return ledgers.gateway_names.get(row.gateway_id), row.provider_message_id, row.state, row.reason, row.part


def _about(history: MessageHistory, invariant: str, said: str) -> Violation:
    return Violation(invariant, said, history.message_id, history.mailing_id)
