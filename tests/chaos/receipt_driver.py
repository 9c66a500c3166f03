"""What gateways report in a run, and what of it is wrong: of other gateways' messages, too late, never."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import psycopg2

from tests.chaos.environment import Environment
from tests.chaos.fault_driver import Scheduler
from tests.chaos.gateways import ACCOUNTS, CONTRACTS, PARTS, REPORTING

REPORTERS = tuple(account for account in ACCOUNTS if account.receipts)

# A deadline is given in hours, so what is awaited is made so many hours older.
OVERDUE = "UPDATE receipt_wait SET since = since - interval '1000 hours'"

RECEIPT_URL = "SELECT '/v1/receipt/' || name || '/' || callback_token FROM gateway WHERE name = %s"

# A message that only another gateway has had, and what that gateway calls it.
SENT_ELSEWHERE = """
SELECT message.id, phone_number, coalesce(provider_message_id, '')
FROM message JOIN attempt ON attempt.message_id = message.id AND result = 'accepted'
WHERE message.status = 'sent' AND attempts = 1 AND gateway <> %s
ORDER BY message.id DESC LIMIT 20
"""

MOST = {"undelivered": {"expired": 0.1, "blocked": 0.05, "unknown_subscriber": 0.05, "other": 0.05}, "split": 0.7}
PERSISTENT = {"repeat_after": 0.2, "repeat_at_most": 2.0, "calls": 10_000}
PLANS: tuple[dict[str, Any], ...] = (
    {"early": 0.5, "without_query": 0.5, "twice": 0.3},
    {"out_of_order": 0.5, "intermediate": 1.0, "twice": 0.3, "delay": [0.0, 0.5]},
    {"contradicted": 0.3, "twice": 0.2, "without_query": 0.3},
    {"late": 0.5, "late_by": 3.0, "lost": 0.2},
    {"foreign": 0.2, "forged": 0.2, "without_query": 0.5},
    {
        "early": 0.2,
        "lost": 0.1,
        "out_of_order": 0.2,
        "twice": 0.2,
        "foreign": 0.05,
        "forged": 0.05,
        "without_query": 0.3,
    },
)


class ReceiptDriver:
    """Sets what gateways report."""

    def __init__(self, environment: Environment, delayed: Scheduler) -> None:
        self._environment = environment
        self._delayed = delayed

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, and its weight."""
        return [(3, self.change_plan), (1, self.end_waits), (2, self.report_foreign)]

    def begin(self, random: Random) -> None:
        """Gives every gateway that reports a plan."""
        for account in REPORTERS:
            self._set_plan(account.name, {**MOST, **PERSISTENT, **PLANS[-1], "seed": random.randrange(2**32)})

    def change_plan(self, random: Random) -> None:
        """A gateway reports otherwise."""
        name = random.choice(REPORTERS).name
        plan = {**MOST, **PERSISTENT, **random.choice(PLANS), "seed": random.randrange(2**32)}
        self._environment.note("receipts", name, str(plan))
        self._set_plan(name, plan)

    def end_waits(self, random: Random) -> None:
        """The deadline passes of all that is awaited now."""
        self._environment.note("receipts overdue")
        self._query(f"{OVERDUE} RETURNING id")

    def report_foreign(self, random: Random) -> None:
        """A gateway reports on a message that only another one has had: by our id, or by that gateway's."""
        account = random.choice((REPORTING, PARTS))
        by_our_id = random.random() < 0.5
        found = self._query(SENT_ELSEWHERE, account.name)
        url = self._query(RECEIPT_URL, account.name)
        if not found or not url:
            return
        message_id, phone_number, theirs = random.choice(found)
        if not by_our_id and not theirs:
            return
        address = f"{self._environment.api_url}{url[0][0]}"
        in_query = by_our_id and account is REPORTING
        asked = {
            "contract": CONTRACTS[account.provider],
            "id": f"foreign-{random.randrange(2**40):x}" if by_our_id else theirs,
            "to": f"+{phone_number}",
            "url": f"{address}?message={message_id}" if in_query else address,
            "reference": str(message_id) if by_our_id and not in_query else "",
        }
        with contextlib.suppress(OSError):  # it is down just now
            self._environment.gateways[account.name].client.report(**asked)

    def _set_plan(self, name: str, plan: dict[str, Any]) -> None:
        try:
            self._environment.gateways[name].client.receipts(**plan)
        except OSError:  # it is down just now
            self._delayed.schedule(0.3, lambda: self._set_plan(name, plan))

    def _query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._environment.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall()
        return []
