"""The fields of plans in JSON: each reader raises PlanError that names its field."""

from __future__ import annotations

from collections.abc import Collection

MAX_SECONDS = 3600.0  # the upper limit of durations


class PlanError(ValueError):
    """The plan is invalid; the message begins with the name of the field."""


def span(name: str, value: object) -> tuple[float, float]:
    """Seconds at least and at most: a list of the two, or one number."""
    if isinstance(value, list) and len(value) == 2:
        least, most = (seconds(name, end) for end in value)
        if least > most:
            raise PlanError(f"{name}: must be [min, max], and {least:g} is more than {most:g}")
        return least, most
    return seconds(name, value), seconds(name, value)


def seconds(name: str, value: object) -> float:
    """A duration."""
    return _between(name, value, MAX_SECONDS, f"seconds from 0 to {MAX_SECONDS:g}")


def probability(name: str, value: object) -> float:
    """A number from 0 to 1."""
    return _between(name, value, 1.0, "a probability from 0 to 1")


def _between(name: str, value: object, most: float, meant: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise PlanError(f"{name}: must be {meant}, not {value!r}")
    return float(value)


def statuses(name: str, value: object) -> dict[int, float]:
    """Probabilities by HTTP status, from 300 on."""
    shares = {}
    for status, share in _object(name, value).items():
        if not (len(status) == 3 and status.isascii() and status.isdigit() and 300 <= int(status) <= 599):
            raise PlanError(f"{name}: {status!r} is not a status from 300 to 599")
        shares[int(status)] = probability(f"{name}.{status}", share)
    return shares


def kinds(name: str, value: object, known: Collection[str]) -> dict[str, float]:
    """Probabilities by known names."""
    for kind in _object(name, value):
        if kind not in known:
            raise PlanError(f"{name}: {kind!r} is not one of {', '.join(known)}")
    return {kind: probability(f"{name}.{kind}", chance) for kind, chance in _object(name, value).items()}


def _object(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PlanError(f"{name}: must be an object of probabilities, not {value!r}")
    return value


def header_text(name: str, value: object) -> str:
    """What can stand in a header line."""
    if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
        raise PlanError(f"{name}: must be printable ASCII text, not {value!r}")
    return value


def numbers(name: str, value: object) -> frozenset[int]:
    """A list of whole numbers."""
    if not isinstance(value, list):
        raise PlanError(f"{name}: must be a list of whole numbers, not {value!r}")
    return frozenset(whole_number(name, number) for number in value)


def count(name: str, value: object) -> int:
    """A whole number from 0 on."""
    if whole_number(name, value) < 0:
        raise PlanError(f"{name}: must not be negative: {value!r}")
    return whole_number(name, value)


def whole_number(name: str, value: object) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise PlanError(f"{name}: must be a whole number, not {value!r}")
    return value
