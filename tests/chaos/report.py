"""The report of a run: a table to read, or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from shared.domain.reasons import ReasonCode
from tests.chaos.checker import INVARIANTS, lost, summary, unexplained_repeats
from tests.chaos.doubts import doubts
from tests.chaos.facts import Event, Facts, PathMove, Violation
from tests.chaos.message_history import POSTPONED, RULED_OUT, Ledgers

SHOWN = 20
"""Violations described in full; the first of each invariant with everything that is known of its message."""


def figures(facts: Facts, violations: list[Violation]) -> dict[str, Any]:
    """The figures of a run. Durations are in seconds."""
    events = Counter(event.what for event in facts.events)
    ledgers = Ledgers(facts)
    ends = Counter(history.last.status for history in ledgers.histories.values())
    outcomes = Counter(request.outcome for request in facts.requests)
    accepts = sum(request.accepted_at is not None for request in facts.requests)
    accepted = Counter(request.gateway for request in facts.requests if request.accepted_at is not None)
    asked = doubts(ledgers)
    recovery = sorted(recovery_times(ledgers))
    return {
        "workers killed": sum(_kills_worker(event) for event in facts.events),
        "workers frozen": events["stop"],
        "workers stopped and started": sum(e.what == "terminate" and e.who != "api" for e in facts.events),
        "API killed or restarted": sum(e.what in ("kill", "terminate") and e.who == "api" for e in facts.events),
        "database restarted or crashed": events["database"],
        "connections to it cut": sum(events[what] for what in ("cut", "cut at commit", "connections ended")),
        "database hung": events["database hangs"],
        "dropped data": events["dropped data"],
        "gateways killed": sum(event.what == "kill" and event.who.startswith("gateway") for event in facts.events),
        "gateway outages": events["outage"],
        "token changes": events["token"],
        "accounts refused": events["account"],
        "gateways paused": events["gateway paused"],
        "gateways edited": events["gateway edited"],
        "gateway faults": sum(outcomes.values()) - outcomes["accepted"],
        "paths given to another gateway": sum(_reassignments(rows) for rows in ledgers.paths.values()),
        "API calls": len(facts.calls),
        "API calls without an answer, or 5xx": sum(call.status is None or call.status >= 500 for call in facts.calls),
        "mailings": len(ledgers.mailings),
        "messages": len(ledgers.histories),
        **{f"  {status}": ends[status] for status in sorted(ends)},
        "requests": len(facts.requests),
        "accepted": accepts,
        **{f"  by {name}": accepted[name] for name in ledgers.gateways},
        "accepted again, explained": accepts
        - len({request.id for request in facts.requests if request.accepted_at is not None})
        - unexplained_repeats(violations),
        "look-ups": len(facts.look_ups),
        "doubts that could be asked for": sum(asked),
        "  settled": asked.settled,
        "  ended with their mailing or client": asked.ended,
        "  share settled of the others": round(asked.share, 4),
        **rule_figures(ledgers),
        **receipt_figures(ledgers),
        "snapshots checked": facts.snapshots,
        "recovery after a kill, median": round(median(recovery), 2) if recovery else None,
        "recovery after a kill, longest": round(recovery[-1], 2) if recovery else None,
        "longest way to the gateway": round(max(travels(ledgers), default=0.0), 3),
        "lost": lost(violations),
        "unexplained repeats": unexplained_repeats(violations),
        "violations": len(violations),
    }


def rule_figures(ledgers: Ledgers) -> dict[str, int]:
    """What rules did to messages: those that it ended, and those that it let wait."""
    ended = Counter(history.last.reason_code for history in ledgers.histories.values() if not history.last.in_doubt)
    waited = Counter(
        reason
        for history in ledgers.histories.values()
        for reason in {move.reason_code for move in history.moves if move.status == "pending"}
    )
    return {
        "suppressions": sum(not move.lifted for move in ledgers.facts.suppressions),
        "  lifted": sum(move.lifted for move in ledgers.facts.suppressions),
        **{f"  messages ended as {reason}": ended[reason] for reason in RULED_OUT if ended[reason]},
        **{f"  messages that waited, {reason}": waited[reason] for reason in POSTPONED if waited[reason]},
    }


def receipt_figures(ledgers: Ledgers) -> dict[str, int]:
    """What gateways reported, and what became of it."""
    reported = ledgers.facts.reported
    about = Counter(receipt.about for receipt in reported)
    deliveries = Counter(history.last.delivery for history in ledgers.histories.values())
    settled = sum(
        any(move.reason_code == ReasonCode.RECEIPT_CAME for move in history.moves)
        for history in ledgers.histories.values()
    )
    return {
        "receipts": len(reported),
        "  taken": sum(receipt.acknowledged_at is not None for receipt in reported),
        "  foreign": about["foreign"],
        "  forged": about["forged"],
        "  of no message": sum(row.table == "receipt_orphan" for row in ledgers.facts.stored),
        **{
            f"  messages {state}": deliveries[state] for state in ("delivered", "undelivered", "no_receipt", "awaiting")
        },
        "  messages with a contradiction": sum(one.last.conflicting for one in ledgers.histories.values()),
        "  doubts settled by receipts": settled,
    }


def recovery_times(ledgers: Ledgers) -> list[float]:
    """For each kill of a worker with claimed messages, the seconds until the last of its claims was ended."""
    times = []
    for event in ledgers.facts.events:
        if _kills_worker(event):
            ends = [
                claim.ended.committed_at
                for history in ledgers.histories.values()
                for claim in history.claims
                if claim.worker.startswith(event.who) and claim.ended and claim.ended.committed_at > event.at
            ]
            if ends:
                times.append(max(ends) - event.at)
    return times


def travels(ledgers: Ledgers) -> list[float]:
    """Seconds from a worker's last reading of the clock to the gateway's first, where both are known."""
    return [
        request.started_at - attempt.started_at
        for history in ledgers.histories.values()
        for request, claim in history.pairs
        if claim and (attempt := history.attempts.get(claim.number)) and not attempt.lost
    ]


def _kills_worker(event: Event) -> bool:
    return event.what == "kill" and event.who != "api" and not event.who.startswith("gateway")


def _reassignments(rows: Sequence[PathMove]) -> int:
    return sum(before.gateway_id != after.gateway_id for before, after in pairwise(rows))


def as_text(figures: dict[str, Any], facts: Facts, violations: list[Violation], again: str) -> str:
    """The report as text; `again` is the command that repeats the run."""
    width = max(len(name) for name in figures)
    lines = [f"  {name:<{width}}  {value:>9}" for name, value in figures.items() if value is not None]
    counted = summary(violations)
    for invariant, meaning in INVARIANTS.items():
        verdict = f"VIOLATED {counted[invariant]} times" if counted[invariant] else "holds"
        lines.append(f"  {invariant:<{width}}  {verdict:>9}  {meaning}")
    lines += _described_violations(facts, violations)
    return "\n".join([*lines, f"  again: {again}"])


def write(file: Path, figures: dict[str, Any], violations: list[Violation], **about: Any) -> None:
    """The report as JSON."""
    said = [violation._asdict() for violation in violations]
    file.write_text(json.dumps({**about, "figures": figures, "violations": said}, indent=2, ensure_ascii=False) + "\n")


def _described_violations(facts: Facts, violations: list[Violation]) -> list[str]:
    ledgers = Ledgers(facts) if violations else None
    lines: list[str] = []
    told: set[str] = set()
    for violation in violations[:SHOWN]:
        where = f"message {violation.message_id}, mailing {violation.mailing_id}"
        lines.append(f"  {violation.invariant}: {violation.said} ({where})")
        if ledgers and violation.message_id is not None and violation.invariant not in told:
            told.add(violation.invariant)
            lines += [f"      {line}" for line in ledgers.timeline(violation.message_id)]
    return lines
