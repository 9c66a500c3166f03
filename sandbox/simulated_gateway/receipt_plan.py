"""What the simulated providers report of the messages that they have taken: a plan as data, and the random choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple

from sandbox.simulated_gateway.plan_fields import PlanError, kinds, probability, seconds, span, whole_number

ACCEPTED, DELIVERED, UNDELIVERED = "accepted", "delivered", "undelivered"
REASONS = ("expired", "blocked", "unknown_subscriber", "opted_out", "rejected", "other")
"""Why a message was not delivered. Each contract has codes of its own for them."""

EARLY_SECONDS = 0.15
"""How long the answer to a submission waits for the receipts that come before it."""

REPEATED_AFTER = 0.3
"""Seconds after which a receipt comes again, at most."""


class Report(NamedTuple):
    """What a receipt says."""

    state: str
    reason: str | None
    at: float
    """When it happened, in seconds since the epoch."""
    part: int | None = None
    parts: int | None = None


class PlannedReport(NamedTuple):
    """A receipt that will be sent."""

    after: float
    """Seconds from now."""
    report: Report
    about: str = "own"
    """`own`; `foreign`: of no message; `forged`: not the provider's."""


class MessagePlan(NamedTuple):
    """The receipts of one message."""

    reports: list[PlannedReport]
    early: bool = False
    """Whether they come before the answer to its submission."""
    without_query: bool = False
    """Whether they go to the address without its query, as if that stood in the account's settings."""


@dataclass(frozen=True)
class ReceiptPlan:
    """A plan of receipts. Without fields, each message is reported as delivered, a moment after it was taken.

    Shares are probabilities for each message; those of `twice`, `foreign` and `forged` are for each receipt.
    """

    undelivered: Mapping[str, float] = field(default_factory=dict)  # share by one of REASONS
    delay: tuple[float, float] = (0.2, 1.0)  # seconds until the final state; in JSON also one number
    intermediate: float = 0.5  # reported as on its way before
    lost: float = 0.0  # never reported
    late: float = 0.0  # the final state comes `late_by` seconds later
    late_by: float = 5.0
    early: float = 0.0  # all receipts come before the answer to the submission
    out_of_order: float = 0.0  # the final state comes before the others
    contradicted: float = 0.0  # another final state follows
    split: float = 0.0  # each part of a long text is reported, by contracts that can
    twice: float = 0.0  # comes again
    foreign: float = 0.0  # an additional receipt, of a message that was never sent
    forged: float = 0.0  # an additional receipt, which the provider did not send
    without_query: float = 0.0  # to the address without its query
    addresses: Mapping[str, str] = field(default_factory=dict)  # by contract; before that of the submission
    repeat_after: float = 0.5  # seconds until a refused callback is made again; doubled each time
    repeat_at_most: float = 60.0  # seconds between two of them
    calls: int = 20  # of a callback at most
    seed: int | None = None

    @classmethod
    def from_json(cls, given: object) -> ReceiptPlan:
        """Reads a plan. Raises PlanError naming the invalid field."""
        if not isinstance(given, dict):
            raise PlanError("receipts: must be a JSON object")
        for name in given:
            if name not in _READERS:
                raise PlanError(f"{name}: unknown field; the fields are {', '.join(_READERS)}")
        return cls(**{name: _READERS[name](name, value) for name, value in given.items()})


class ReceiptPlanner:
    """Applies a plan: holds the random generator."""

    def __init__(self, plan: ReceiptPlan) -> None:
        self.plan = plan
        self._random = Random(plan.seed)  # noqa: S311 - no secrets

    def plan_of(self, taken_at: float, parts: int) -> MessagePlan:
        """The receipts of a message that was just taken; `parts` is 1 if its contract reports it as a whole."""
        plan = self.plan
        if self._happens(plan.lost):
            return MessagePlan([])
        early = self._happens(plan.early)
        delay = 0.0 if early else self._random.uniform(*plan.delay)
        late_by = plan.late_by if self._happens(plan.late) else 0.0
        reason = self._reason()
        numbers = list(range(1, parts + 1)) if parts > 1 and self._happens(plan.split) else [None]
        failed = self._random.choice(numbers)
        reports = []
        for number in numbers:
            why = reason if number == failed else None
            reports += self._of_part(taken_at, delay, late_by, why, number, parts if number else None)
        extra = [other for one in reports for other in self._besides(one)]
        return MessagePlan([*reports, *extra], early, self._happens(plan.without_query))

    def _of_part(
        self, taken_at: float, delay: float, late_by: float, reason: str | None, part: int | None, parts: int | None
    ) -> list[PlannedReport]:
        plan = self.plan
        final = Report(UNDELIVERED if reason else DELIVERED, reason, taken_at + delay, part, parts)
        came = delay + late_by
        reports = [PlannedReport(came, final)]
        if self._happens(plan.intermediate):
            after = came + self._random.uniform(0.05, 0.5) if self._happens(plan.out_of_order) else came / 2
            reports.append(PlannedReport(after, Report(ACCEPTED, None, taken_at + delay / 2, part, parts)))
        if self._happens(plan.contradicted):
            other = Report(DELIVERED, None, final.at + 2.0, part, parts)
            if not reason:
                other = other._replace(state=UNDELIVERED, reason=self._random.choice(REASONS))
            reports.append(PlannedReport(came + self._random.uniform(-0.1, 0.5) if came > 0.1 else 0.3, other))
        return reports

    def _besides(self, planned: PlannedReport) -> list[PlannedReport]:
        shares = (("own", self.plan.twice), ("foreign", self.plan.foreign), ("forged", self.plan.forged))
        later = planned.after + self._random.uniform(0.0, REPEATED_AFTER)
        return [planned._replace(after=later, about=about) for about, share in shares if self._happens(share)]

    def _reason(self) -> str | None:
        point = self._random.random()
        for reason in REASONS:
            share = self.plan.undelivered.get(reason, 0.0)
            if point < share:
                return reason
            point -= share
        return None

    def _happens(self, share: float) -> bool:
        return self._random.random() < share


def _addresses(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(address, str) for address in value.values()):
        raise PlanError(f"{name}: must be an object of addresses, not {value!r}")
    return value


_SHARES = ("intermediate", "lost", "late", "early", "out_of_order", "contradicted", "split", "twice", "foreign")

_READERS: dict[str, Callable[[str, object], Any]] = {
    "undelivered": partial(kinds, known=REASONS),
    "delay": span,
    **dict.fromkeys((*_SHARES, "forged", "without_query"), probability),
    **dict.fromkeys(("late_by", "repeat_after", "repeat_at_most"), seconds),
    "addresses": _addresses,
    "calls": whole_number,
    "seed": whole_number,
}
