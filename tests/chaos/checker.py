"""The checker: which invariants do the facts of a run violate? Pure; the rules are in rules_*.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos import rules_ledger, rules_mailings, rules_requests
from tests.chaos.facts import Facts, Violation
from tests.chaos.story import Ledgers, Story

INVARIANTS = {
    "one message": "each client of the audience has exactly one message, and nobody else has one",
    "an end": "every message has an end, and every mailing is settled",
    "conservation": "audience = pending + sending + sent + failed + expired + cancelled + unknown, at every moment",
    "sent was accepted": "`sent` implies that the gateway accepted it before",
    "repeats explained": "every extra accept matches an attempt that the ledger marks ambiguous",
    "same body": "the same id always had the same body, which is the one that the ledger has",
    "edits reach": "a first attempt carries the text and the phone number as they are then",
    "changes reach": "a pause, a cancellation and an earlier end reach within a second what has not left",
    "inside the window": "nothing is claimed, and no request starts, outside the window",
    "stopped is stopped": "nothing is claimed while its mailing is paused or over, so only what was in flight starts",
    "lease respected": "no request starts with less lease left than it may take",
    "paced": "never more than GATEWAY_RATE and 2 % in any second at the gateway",
    "no overlap": "no two requests for one id overlap, except when a stalled worker outlived its lease",
    "claimed first": "every request has a claim of its own that was committed before it and counted its attempt",
    "lawful moves": "only the lease's holder moves a message on, and only along the lines of the state machine",
    "attempts kept": "every attempt is numbered and kept",
    "answers read": "what the ledger says of an attempt is what the gateway did",
    "acceptance kept": "an acceptance in hand is recorded as sent, however late it came",
    "doubt told": "failed, expired and cancelled mean: certainly not delivered",
    "hold held": "with hold, nothing is sent after an attempt that may have landed",
    "attempts limited": "a message is not tried more often than it may be",
    "acknowledged": "what the API acknowledged has happened",
    "once": "a request that is repeated with its Idempotency-Key happens once",
    "stayed alive": "no process ends unless it is told to, and then with exit status 0",
}

Rule = Callable[[Story, Ledgers], Iterator[Violation]]


def check(facts: Facts) -> list[Violation]:
    """Every violation; none in a run in which everything held."""
    ledgers = Ledgers(facts)
    violations = [
        violation
        for story in ledgers.stories.values()
        for rule in (*rules_ledger.RULES, *rules_requests.RULES)
        for violation in rule(story, ledgers)
    ]
    for rule_of_all in (*rules_mailings.RULES, *rules_requests.RULES_OF_ALL):
        violations.extend(rule_of_all(ledgers))
    assert all(violation.invariant in INVARIANTS for violation in violations)
    return violations


def lost(violations: list[Violation]) -> int:
    """How many messages are missing or have no end."""
    return sum(violation.invariant in ("one message", "an end") for violation in violations)


def unexplained_repeats(violations: list[Violation]) -> int:
    """How many messages were accepted more often than the ledger explains."""
    return sum(violation.invariant == "repeats explained" for violation in violations)


def summary(violations: list[Violation]) -> Counter[str]:
    """How often each invariant was violated."""
    return Counter(violation.invariant for violation in violations)
