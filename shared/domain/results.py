"""The results of submissions, independent of the provider: each adapter maps its codes to them."""

from __future__ import annotations

import enum


class Result(enum.StrEnum):
    """The result of one submission of one message. Its effects are in docs/state-machine.md."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The provider already has this message, under our id."""
    REFUSED = "refused"
    """A permanent refusal of this message."""
    RETRIABLE = "retriable"
    """A temporary refusal of this message."""
    OPTED_OUT = "opted_out"
    """The recipient has opted out at the provider."""
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    """Certainly not submitted."""
    MISCONFIGURED = "misconfigured"
    """A refusal of our account or a wrong address: no message is accepted until a person corrects it."""
    NO_CREDIT = "no_credit"
    AMBIGUOUS = "ambiguous"
    """The message may have been accepted: the response does not say, or there is none."""


TAKEN = frozenset({Result.ACCEPTED, Result.DUPLICATE})
"""The provider has the message: it becomes `sent`."""

UNCOUNTED = frozenset({Result.THROTTLED, Result.UNREACHABLE, Result.MISCONFIGURED, Result.NO_CREDIT})
"""Results that concern the gateway and not the message: they do not count towards its limit of attempts."""

OF_THE_ACCOUNT = frozenset({Result.MISCONFIGURED, Result.NO_CREDIT})
"""No message is accepted until a person corrects the account or the settings."""

FINAL = frozenset({Result.REFUSED, Result.OPTED_OUT})
"""Repeating the submission cannot change the result."""
