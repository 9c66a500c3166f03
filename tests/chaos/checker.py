"""Which invariants the facts of a run violate. Pure functions; the invariants are in invariants_*.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos import (
    invariants_deliveries,
    invariants_gateways,
    invariants_mailings,
    invariants_messages,
    invariants_requests,
    invariants_rules,
    invariants_work,
)
from tests.chaos.facts import Facts, Violation
from tests.chaos.message_history import Ledgers, MessageHistory

INVARIANTS = {
    "one message": "each client of the audience has exactly one message, and nobody else has one",
    "final status": "every message reaches a final status, and every mailing is settled",
    "conservation": "audience = pending + sending + sent + failed + expired + cancelled + unknown, at every moment",
    "sent was accepted": "`sent` implies that the gateway accepted it before",
    "repeats explained": "every further acceptance matches an attempt that the ledger marks ambiguous",
    "same body": "the same id always had the same body at a gateway, and everywhere the ledger's text and number",
    "edits applied": "a first attempt carries the text and the phone number as they are then",
    "changes take effect": "a pause, a cancellation and an earlier end reach within a second what has not left",
    "inside the window": "nothing is claimed, and no request starts, outside the window",
    "inside the local window": "no request starts outside the local window of its client, whatever the workers' clocks",
    "suppressions respected": "no claim takes a message that a recorded suppression covers, and none of them waits",
    "caps respected": "in no period does a number get more marketing messages than a cap allows",
    "rules explained": "only a message that a rule concerns is ended or postponed by it, and none that was accepted",
    "nothing claimed when stopped": "nothing is claimed while its mailing is paused or over",
    "lease respected": "no request starts with less lease left than it may take",
    "rate limited": "never more than its rate and 2 % in any second at a gateway",
    "no overlap": "no two requests for one id overlap, except when a stalled worker outlived its lease",
    "claimed first": "every request has a claim of its own that was committed before it and counted its attempt",
    "legal transitions": "only the lease's holder moves a message on, and only along the lines of the state machine",
    "queued": "every pending message is in a queue batch of its mailing with its due time, at every moment",
    "held": "every sending message is held by a claim that names it, at every moment",
    "claims end": "a claim goes with the last message that it holds, and none is left at the end",
    "attempts recorded": "every attempt is numbered and kept",
    "answers recorded": "the result of an attempt is what the gateway answered",
    "acceptance recorded": "an acceptance is recorded as sent, however late it came",
    "doubt recorded": "failed, expired and cancelled mean: certainly not delivered",
    "hold respected": "with hold, nothing is sent after an attempt in doubt, unless the gateway delivers nothing twice",
    "attempts limited": "a message is not tried more often than it may be",
    "acknowledged": "what the API acknowledged has happened",
    "idempotent": "a request that is repeated with its Idempotency-Key happens once",
    "attempts counted": "an attempt counts unless it says something of the account or the gateway alone",
    "doubt stays": "a message in doubt goes to no other gateway than the one that may have it",
    "look-ups read": "a gateway is asked before a repeat, and what it says is what it knows",
    "taken where named": "the gateway that an accepting attempt names has the message, and no other has",
    "delivered once": "a gateway that deduplicates delivers a message once",
    "load returns": "once gateways are in order again, the first of each path gets its messages",
    "deliveries conserved": "sent = awaiting + delivered + undelivered + no_receipt, at every moment",
    "receipts kept": "a receipt that was answered with a success is stored, as often as it came",
    "receipts applied": "no receipt is left in the queue at the end",
    "receipts matched": "a receipt is matched to the message that it is about, and to no other gateway's",
    "delivery folded": "the delivery is what all receipts say that the gateway knows were taken",
    "doubts settled": "a message with a receipt is sent, and not submitted again",
    "delivery final": "what is delivered, undelivered or given up is never awaited again",
    "silence": "only after the deadline is a message given up that no receipt came for",
    "forged refused": "a forged receipt is never answered with a success",
    "verified": "the command that verifies the ledger finds nothing",
    "no crash": "no process ends unless it is told to, and then with exit status 0",
}

Rule = Callable[[MessageHistory, Ledgers], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    *invariants_messages.RULES,
    *invariants_rules.RULES,
    *invariants_work.RULES,
    *invariants_requests.RULES,
    *invariants_gateways.RULES,
    *invariants_deliveries.RULES,
)
RULES_OF_ALL: tuple[Callable[[Ledgers], Iterator[Violation]], ...] = (
    *invariants_mailings.RULES,
    *invariants_rules.RULES_OF_ALL,
    *invariants_work.RULES_OF_ALL,
    *invariants_requests.RULES_OF_ALL,
    *invariants_gateways.RULES_OF_ALL,
    *invariants_deliveries.RULES_OF_ALL,
)


def check(facts: Facts) -> list[Violation]:
    """Every violation; none in a run in which everything held."""
    ledgers = Ledgers(facts)
    violations = [
        violation for history in ledgers.histories.values() for rule in RULES for violation in rule(history, ledgers)
    ]
    for rule_of_all in RULES_OF_ALL:
        violations.extend(rule_of_all(ledgers))
    assert all(violation.invariant in INVARIANTS for violation in violations)
    return violations


def lost(violations: list[Violation]) -> int:
    """How many messages are missing or have no end."""
    return sum(violation.invariant in ("one message", "final status") for violation in violations)


def unexplained_repeats(violations: list[Violation]) -> int:
    """How many messages were accepted more often than the ledger explains."""
    return sum(violation.invariant == "repeats explained" for violation in violations)


def summary(violations: list[Violation]) -> Counter[str]:
    """How often each invariant was violated."""
    return Counter(violation.invariant for violation in violations)
