"""How the simulated gateway misbehaves: as data, and one draw that picks what happens to a request."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from random import Random
from typing import Any

from sandbox.gateway_http import answer, verdict

LONGEST = 3600.0  # seconds: the most that `latency` and `down_for` may ask for
RETRY_STATUSES = (429, 503)  # the ones that carry Retry-After (RFC 6585, 4 and RFC 9110, 15.6.4)


class Outcome(IntEnum):
    """What became of a request; in JSON it is the name in lower case."""

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


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the gateway does with one request: whether the message is accepted, and what is answered, when."""

    outcome: Outcome
    status: int = 0  # 0: there is no answer
    answer: bytes = b""
    accepts: bool = False
    delay: float = 0.0  # seconds between the request (and its acceptance) and the first byte of the answer


SUCCESS = verdict(200, 0, "OK")
BEHAVE = Reaction(Outcome.ACCEPTED, 200, SUCCESS, accepts=True)

# An answer that promises success and cannot be understood leaves its message accepted: only the sender is in doubt.
BODIES = {
    "garbage": Reaction(Outcome.GARBAGE, 200, answer(200, b"<html>It works!", content_type="text/html"), accepts=True),
    "refused": Reaction(Outcome.REFUSED, 200, verdict(200, 7, "blocked")),
    "empty": Reaction(Outcome.EMPTY, 200, answer(200), accepts=True),
    "text_code": Reaction(Outcome.GARBAGE, 200, answer(200, b'{"code":"0","message":"OK"}'), accepts=True),
    "queued": Reaction(Outcome.GARBAGE, 200, answer(200, b'{"status":"queued","id":1}'), accepts=True),
    "created": Reaction(Outcome.EMPTY, 201, answer(201), accepts=True),
    "text": Reaction(Outcome.GARBAGE, 200, answer(200, b"ERROR:14", content_type="text/plain"), accepts=True),
}
MECHANISMS = {
    "reset_before_accept": Reaction(Outcome.RESET_BEFORE_ACCEPT),
    "reset_after_accept": Reaction(Outcome.RESET_AFTER_ACCEPT, accepts=True),
    "error_after_accept": Reaction(
        Outcome.ERROR_AFTER_ACCEPT, 500, verdict(500, 500, "the answer was lost"), accepts=True
    ),
    "trickle": Reaction(Outcome.TRICKLE, 200, SUCCESS, accepts=True),
    "hang": Reaction(Outcome.HANG, accepts=True),
    "oversize": Reaction(Outcome.OVERSIZE, 200, accepts=True),
}


class FaultsError(ValueError):
    """The faults asked for make no sense; the message begins with the name of the field."""


@dataclass(frozen=True)
class Faults:
    """One plan of misbehaviour; a plan with no fields behaves. The probabilities together are at most 1.

    A message is accepted when its request comes, before any latency, so a client that gives up is in doubt. It is not
    accepted under `statuses`, the body `refused` and `reset_before_accept`; under everything else it is.
    """

    latency: tuple[float, float] = (0.0, 0.0)  # seconds before the reaction, whichever it is; in JSON also one number
    statuses: Mapping[int, float] = field(default_factory=dict)  # probability by status, 300 to 599
    bodies: Mapping[str, float] = field(
        default_factory=dict
    )  # probability by the name of one of BODIES, with a success
    retry_after: str | None = None  # the Retry-After of RETRY_STATUSES, verbatim
    reset_before_accept: float = 0.0
    reset_after_accept: float = 0.0
    error_after_accept: float = 0.0
    trickle: float = 0.0  # the answer comes at a byte a second
    hang: float = 0.0  # there is no answer until the client leaves
    oversize: float = 0.0  # the answer's body is 16 MiB long and does not say so
    down_for: float = 0.0  # seconds from now in which every connection is closed or refused
    token: str | None = None  # the only right token while this plan holds
    only_ids: frozenset[int] | None = None  # the plan reaches these messages and phones only (`token` reaches all)
    only_phones: frozenset[int] | None = None
    first: int | None = None  # the plan reaches only so many requests, then all is well
    seed: int | None = None  # of the dice

    @classmethod
    def from_json(cls, given: object) -> "Faults":
        """Reads a plan. Raises FaultsError naming the field that makes no sense."""
        if not isinstance(given, dict):
            raise FaultsError("faults: a JSON object is meant")
        for name in given:
            if name not in _READERS:
                raise FaultsError(f"{name}: there is no such field, only {', '.join(_READERS)}")
        faults = cls(**{name: _READERS[name](name, value) for name, value in given.items()})
        total = math.fsum(probability for probability, _ in faults.reactions)
        if total > 1 + 1e-9:
            raise FaultsError(f"faults: the probabilities add up to {total:g}, which is more than 1")
        return faults

    @cached_property
    def reactions(self) -> tuple[tuple[float, Reaction], ...]:
        """Every misbehaviour with its probability, always in the same order, so that a seed means something."""
        statuses = [(self.statuses[status], self._failing(status)) for status in sorted(self.statuses)]
        bodies = [(self.bodies[kind], BODIES[kind]) for kind in BODIES if kind in self.bodies]
        return (*statuses, *bodies, *((getattr(self, name), MECHANISMS[name]) for name in MECHANISMS))

    def concern(self, msg_id: int, phone: int) -> bool:
        """Whether this message may be misbehaved to: either list names it, or there is no list."""
        if self.only_ids is None and self.only_phones is None:
            return True
        return msg_id in (self.only_ids or ()) or phone in (self.only_phones or ())

    def _failing(self, status: int) -> Reaction:
        if status < 400:
            # A redirect leads to a path that does not exist: whoever follows it with the token is found out.
            return Reaction(Outcome.STATUS, status, answer(status, b"", "Location: /elsewhere"))
        with_retry = self.retry_after is not None and status in RETRY_STATUSES
        fields = [f"Retry-After: {self.retry_after}"] if with_retry else []
        return Reaction(Outcome.STATUS, status, verdict(status, status, "simulated", *fields))


class FaultInjector:
    """A plan being carried out: it remembers how many requests have had their draw, and the dice."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._dice = Random(faults.seed)  # noqa: S311 - dice, and not secrets
        self._left = math.inf if faults.first is None else faults.first

    def pick(self, msg_id: int, phone: int) -> Reaction:
        """What to do with this message: the plan's draw, or good behaviour where the plan does not reach."""
        if not self._left or not self.faults.concern(msg_id, phone):
            return BEHAVE
        self._left -= 1
        reaction = self._draw()
        least, most = self.faults.latency
        return replace(reaction, delay=self._dice.uniform(least, most)) if most else reaction

    def _draw(self) -> Reaction:
        point = self._dice.random()
        for probability, reaction in self.faults.reactions:
            if point < probability:
                return reaction
            point -= probability
        return BEHAVE


def _span(name: str, value: object) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2:
        least, most = (_seconds(name, end) for end in value)
        if least > most:
            raise FaultsError(f"{name}: [min, max] is meant, and {least:g} is more than {most:g}")
        return least, most
    return _seconds(name, value), _seconds(name, value)


def _seconds(name: str, value: object) -> float:
    return _between(name, value, LONGEST, f"seconds from 0 to {LONGEST:g}")


def _probability(name: str, value: object) -> float:
    return _between(name, value, 1.0, "a probability from 0 to 1")


def _between(name: str, value: object, most: float, meant: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise FaultsError(f"{name}: {meant} is meant, not {value!r}")
    return float(value)


def _statuses(name: str, value: object) -> dict[int, float]:
    statuses = {}
    for status, probability in _object(name, value).items():
        if not (len(status) == 3 and status.isascii() and status.isdigit() and 300 <= int(status) <= 599):
            raise FaultsError(f"{name}: {status!r} is not an answer's status from 300 to 599")
        statuses[int(status)] = _probability(f"{name}.{status}", probability)
    return statuses


def _bodies(name: str, value: object) -> dict[str, float]:
    for kind in _object(name, value):
        if kind not in BODIES:
            raise FaultsError(f"{name}: {kind!r} is not one of {', '.join(BODIES)}")
    return {kind: _probability(f"{name}.{kind}", chance) for kind, chance in _object(name, value).items()}


def _object(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FaultsError(f"{name}: an object of probabilities is meant, not {value!r}")
    return value


def _header_text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
        raise FaultsError(f"{name}: printable ASCII text is meant, not {value!r}")
    return value


def _numbers(name: str, value: object) -> frozenset[int]:
    if not isinstance(value, list):
        raise FaultsError(f"{name}: a list of whole numbers is meant, not {value!r}")
    return frozenset(_integer(name, number) for number in value)


def _count(name: str, value: object) -> int:
    if _integer(name, value) < 0:
        raise FaultsError(f"{name}: a count is meant, not {value!r}")
    return _integer(name, value)


def _integer(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FaultsError(f"{name}: a whole number is meant, not {value!r}")
    return value


_READERS: dict[str, Callable[[str, object], Any]] = {
    "latency": _span,
    "statuses": _statuses,
    "bodies": _bodies,
    "retry_after": _header_text,
    **dict.fromkeys(MECHANISMS, _probability),
    "down_for": _seconds,
    "token": _header_text,
    "only_ids": _numbers,
    "only_phones": _numbers,
    "first": _count,
    "seed": _integer,
}
