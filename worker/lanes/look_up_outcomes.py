"""The effect of a look-up of a message at its gateway, after a response was lost."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.base import LookUp, LookUpResult, SubmitResult
from worker.claimed_message import ClaimedMessage

CANNOT_BE_ASKED = SubmitResult(Result.REFUSED, reason=Reason(ReasonCode.LOOK_UP_FAILED))
"""The result of an attempt to send a message that must not be repeated and can no longer be looked up. It
is in doubt, so it ends as unknown."""

_UNCLEAR = (Result.UNREACHABLE, ReasonCode.LOOK_UP_FAILED)

_SETTLED = {
    LookUp.FOUND: (Result.DUPLICATE, ReasonCode.LOOK_UP_FOUND),
    LookUp.REFUSED: (Result.REFUSED, ReasonCode.LOOK_UP_REFUSED),
}
"""After any other outcome the message is still in doubt, and is looked up again later."""


def settled_by(found: LookUpResult, message: ClaimedMessage) -> SubmitResult:
    """The result of an attempt that was only a look-up. The message is no longer in doubt after a clear outcome."""
    result, code = _SETTLED.get(found.outcome, _UNCLEAR)
    message.in_doubt = found.outcome not in _SETTLED
    words = found.reason.parameters.get("words") if found.reason else None
    return SubmitResult(
        result,
        found.code,
        Reason(code, {"words": words} if words else {}),
        provider_message_id=found.provider_message_id,
    )


def is_too_early(message: ClaimedMessage, asked: float) -> bool:
    """Whether a message that is not found may still appear; `asked` is the monotonic time of the look-up."""
    return message.doubt_age + (asked - message.claim.monotonic) < (message.gateway.look_up_after or 0.0)


def may_be_repeated(message: ClaimedMessage, found: LookUpResult) -> bool:
    """Whether a message may be sent again after a look-up whose response did not settle the doubt.

    A gateway that deduplicates does not deliver it twice, and its response settles the doubt.
    """
    return message.gateway.deduplicates and found.outcome not in _SETTLED and found.code is not None


def with_look_up(submitted: SubmitResult) -> SubmitResult:
    """The result of an attempt that was made because the gateway did not have the message."""
    if submitted.reason is None:
        return replace(submitted, reason=Reason(ReasonCode.LOOK_UP_NOT_FOUND))
    code, parameters = submitted.reason
    return replace(submitted, reason=Reason(code, {**parameters, "look_up": LookUp.NOT_FOUND.value}))
