"""The faults of the simulated gateway: a plan as data, and the random choice for each request."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from functools import cached_property, partial
from random import Random
from typing import Any

from sandbox.simulated_gateway.http_messages import http_response
from sandbox.simulated_gateway.plan_fields import (
    PlanError,
    count,
    header_text,
    kinds,
    numbers,
    probability,
    seconds,
    span,
    statuses,
    whole_number,
)

RETRY_STATUSES = (429, 503)  # the ones that may carry Retry-After (RFC 6585, 4 and RFC 9110, 15.6.4)


class Outcome(IntEnum):
    """What the gateway did with a request; in JSON, the name in lower case."""

    ACCEPTED = 0
    NOT_FOUND = 1
    NOT_ALLOWED = 2
    UNAUTHORIZED = 3
    MALFORMED = 4
    STATUS = 5
    GARBAGE = 6
    REFUSED = 7
    EMPTY = 8
    RESET_BEFORE_ACCEPT = 9
    RESET_AFTER_ACCEPT = 10
    ERROR_AFTER_ACCEPT = 11
    TRICKLE = 12
    HANG = 13
    OVERSIZE = 14
    DUPLICATE = 15  # the contract refuses repeats
    ANSWER = 16  # one of the fault `answers`
    LOOKED_UP = 17


class Answer(Enum):
    """What an answer says; each contract has words of its own for it. The values name the fault `answers`."""

    ACCEPTED = "accepted"
    STATUS = "status"  # an HTTP status, as the contract reports errors
    REFUSED = "refused"  # about this message, permanently
    RETRIABLE = "retriable"  # about this message, for now
    THROTTLED = "throttled"
    NO_CREDIT = "no_credit"
    WRONG_CREDENTIALS = "wrong_credentials"
    WRONG_SENDER = "wrong_sender"
    OPTED_OUT = "opted_out"


ANSWERS = {answer.value: answer for answer in Answer if answer not in (Answer.ACCEPTED, Answer.STATUS)}


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the gateway does with one request: whether it accepts the message, and which response it sends, when."""

    outcome: Outcome
    status: int = 0  # 0: no response
    response: bytes = b""
    accepts: bool = False
    delay: float = 0.0  # seconds from the request (and its acceptance) to the first byte of the response
    answer: Answer | None = None  # the contract words the response and may choose another status
    fields: tuple[str, ...] = ()  # further header lines of an answer


NO_FAULT = Reaction(Outcome.ACCEPTED, 200, accepts=True, answer=Answer.ACCEPTED)

# After a success status with an unexpected body, the message counts as accepted: only the sender is in doubt.
BODIES = {
    "garbage": Reaction(
        Outcome.GARBAGE, 200, http_response(200, b"<html>It works!", content_type="text/html"), accepts=True
    ),
    "refused": Reaction(Outcome.REFUSED, 200, answer=Answer.RETRIABLE),
    "empty": Reaction(Outcome.EMPTY, 200, http_response(200), accepts=True),
    "text_code": Reaction(Outcome.GARBAGE, 200, http_response(200, b'{"code":"0","message":"OK"}'), accepts=True),
    "queued": Reaction(Outcome.GARBAGE, 200, http_response(200, b'{"status":"queued","id":1}'), accepts=True),
    "created": Reaction(Outcome.EMPTY, 201, http_response(201), accepts=True),
    "text": Reaction(Outcome.GARBAGE, 200, http_response(200, b"ERROR:14", content_type="text/plain"), accepts=True),
}
MECHANISMS = {
    "reset_before_accept": Reaction(Outcome.RESET_BEFORE_ACCEPT),
    "reset_after_accept": Reaction(Outcome.RESET_AFTER_ACCEPT, accepts=True),
    "error_after_accept": Reaction(Outcome.ERROR_AFTER_ACCEPT, 500, accepts=True, answer=Answer.STATUS),
    "trickle": Reaction(Outcome.TRICKLE, 200, accepts=True, answer=Answer.ACCEPTED),
    "hang": Reaction(Outcome.HANG, accepts=True),
    "oversize": Reaction(Outcome.OVERSIZE, 200, accepts=True),
}


@dataclass(frozen=True)
class Faults:
    """A plan of faults; a plan without fields has none. The probabilities add up to at most 1.

    A message is accepted when its request arrives, before any latency, so a client that times out is in doubt. It is
    not accepted under `statuses`, `answers`, the body `refused` and `reset_before_accept`; under everything else it is.
    """

    latency: tuple[float, float] = (0.0, 0.0)  # seconds before any reaction; in JSON also one number
    statuses: Mapping[int, float] = field(default_factory=dict)  # probability by status, 300 to 599
    bodies: Mapping[str, float] = field(default_factory=dict)  # probability by the name of one of BODIES
    answers: Mapping[str, float] = field(default_factory=dict)  # probability by the value of an Answer
    retry_after: str | None = None  # the Retry-After of RETRY_STATUSES and of `throttled`, verbatim
    reset_before_accept: float = 0.0
    reset_after_accept: float = 0.0
    error_after_accept: float = 0.0
    trickle: float = 0.0  # the response arrives at one byte a second
    hang: float = 0.0  # there is no response until the client disconnects
    oversize: float = 0.0  # the response's body is 16 MiB long, without Content-Length
    down_for: float = 0.0  # seconds from now during which every connection is closed or refused
    token: str | None = None  # the only valid token while this plan is active
    # With either of these, the plan applies to these messages and phones only (`token` applies to all).
    only_ids: frozenset[int] | None = None
    only_phones: frozenset[int] | None = None
    first: int | None = None  # the plan applies to this many requests only
    seed: int | None = None  # of the random choices

    @classmethod
    def from_json(cls, given: object) -> "Faults":
        """Reads a plan. Raises PlanError naming the invalid field."""
        if not isinstance(given, dict):
            raise PlanError("faults: must be a JSON object")
        for name in given:
            if name not in _READERS:
                raise PlanError(f"{name}: unknown field; the fields are {', '.join(_READERS)}")
        faults = cls(**{name: _READERS[name](name, value) for name, value in given.items()})
        total = math.fsum(probability for probability, _ in faults.reactions)
        if total > 1 + 1e-9:
            raise PlanError(f"faults: the probabilities add up to {total:g}, which is more than 1")
        return faults

    @cached_property
    def reactions(self) -> tuple[tuple[float, Reaction], ...]:
        """Every fault with its probability, always in the same order, so that a seed reproduces the choices."""
        statuses = [(self.statuses[status], self._failing(status)) for status in sorted(self.statuses)]
        bodies = [(self.bodies[kind], BODIES[kind]) for kind in BODIES if kind in self.bodies]
        answers = [(self.answers[name], self._answering(ANSWERS[name])) for name in ANSWERS if name in self.answers]
        mechanisms = [(getattr(self, name), MECHANISMS[name]) for name in MECHANISMS]
        return (*statuses, *bodies, *mechanisms, *answers)

    def applies_to(self, msg_id: int, phone: int) -> bool:
        """Whether the plan applies to this message: one of the lists contains it, or there is no list."""
        if self.only_ids is None and self.only_phones is None:
            return True
        return msg_id in (self.only_ids or ()) or phone in (self.only_phones or ())

    def _failing(self, status: int) -> Reaction:
        if status < 400:
            # A redirect leads to a path that does not exist, so a client that follows it gets a 404.
            return Reaction(Outcome.STATUS, status, http_response(status, b"", "Location: /elsewhere"))
        fields = self._retry_after if status in RETRY_STATUSES else ()
        return Reaction(Outcome.STATUS, status, answer=Answer.STATUS, fields=fields)

    def _answering(self, answer: Answer) -> Reaction:
        return Reaction(Outcome.ANSWER, answer=answer, fields=self._retry_after if answer is Answer.THROTTLED else ())

    @property
    def _retry_after(self) -> tuple[str, ...]:
        return () if self.retry_after is None else (f"Retry-After: {self.retry_after}",)


class FaultInjector:
    """Applies a plan: counts the requests that it applied to, and holds the random generator."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = Random(faults.seed)  # noqa: S311 - no secrets
        self._left = math.inf if faults.first is None else faults.first

    def pick(self, msg_id: int, phone: int) -> Reaction:
        """The reaction to this message: a random choice of the plan's faults, or none where the plan does not apply."""
        if not self._left or not self.faults.applies_to(msg_id, phone):
            return NO_FAULT
        self._left -= 1
        reaction = self._choose()
        least, most = self.faults.latency
        return replace(reaction, delay=self._random.uniform(least, most)) if most else reaction

    def _choose(self) -> Reaction:
        point = self._random.random()
        for share, reaction in self.faults.reactions:
            if point < share:
                return reaction
            point -= share
        return NO_FAULT


_READERS: dict[str, Callable[[str, object], Any]] = {
    "latency": span,
    "statuses": statuses,
    "bodies": partial(kinds, known=BODIES),
    "answers": partial(kinds, known=ANSWERS),
    "retry_after": header_text,
    **dict.fromkeys(MECHANISMS, probability),
    "down_for": seconds,
    "token": header_text,
    "only_ids": numbers,
    "only_phones": numbers,
    "first": count,
    "seed": whole_number,
}
