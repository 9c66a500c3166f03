"""What came of one submission of one message, whatever the provider: the words that every adapter maps its codes to."""

from __future__ import annotations

import enum


class Result(enum.StrEnum):
    """The result of an attempt. The design's table says what each does to the message and to the gateway."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The provider has it already, by our id."""
    REFUSED = "refused"
    """About this message, for good."""
    RETRIABLE = "retriable"
    """About this message, for now."""
    OPTED_OUT = "opted_out"
    """The recipient has refused at the provider."""
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    """Certainly not submitted."""
    MISCONFIGURED = "misconfigured"
    """About our account or its address: no message can be taken until a person puts it right."""
    NO_CREDIT = "no_credit"
    AMBIGUOUS = "ambiguous"
    """It may have been taken, and nothing tells."""


TAKEN = frozenset({Result.ACCEPTED, Result.DUPLICATE})
"""The message is the provider's now: it is `sent`."""

UNCOUNTED = frozenset({Result.THROTTLED, Result.UNREACHABLE, Result.MISCONFIGURED, Result.NO_CREDIT})
"""Results that speak of the gateway and not of the message: they do not count towards its limit of attempts."""

OF_THE_ACCOUNT = frozenset({Result.MISCONFIGURED, Result.NO_CREDIT})
"""No message can be taken until a person puts it right, at the provider or in the settings."""

FINAL = frozenset({Result.REFUSED, Result.OPTED_OUT})
"""No repeat can change it."""
