"""Settings come from the environment. This is how they are read, and the few that both sides share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import environs
from environs import validate

from shared.errors import ConfigurationError

DEFAULT_DATABASE_URL = "postgresql://gonets:gonets@127.0.0.1:5432/gonets"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "text")

Number = TypeVar("Number", int, float)


@contextmanager
def environment() -> Iterator[environs.Env]:
    """Reads settings; on exit, raises one ConfigurationError that names every variable with a wrong value.

    with environment() as env:
        port = env.int("API_PORT", 8000, validate=between(1, 65535))
    """
    env = environs.Env(eager=False)
    yield env
    try:
        env.seal()
    except environs.EnvValidationError as error:
        # With eager=False the messages are always keyed by variable.
        wrong = dict(error.error_messages)  # type: ignore[arg-type]
        raise ConfigurationError(
            "\n".join(f"{name}: {' '.join(messages)}" for name, messages in wrong.items())
        ) from None


@contextmanager
def exit_if_wrong() -> Iterator[None]:
    """Ends the process with status 2 and one sentence on standard error when a setting is missing or wrong."""
    try:
        yield
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  for the person who started it
        raise SystemExit(2) from None


def between(low: Number, high: Number) -> validate.Range:
    """A validator for a number from `low` to `high`."""
    return validate.Range(low, high, error=f"must be from {low} to {high}.")


def one_of(*choices: str) -> validate.OneOf:
    """A validator for one of a few words."""
    return validate.OneOf(choices, error=f"must be one of {', '.join(choices)}.")
