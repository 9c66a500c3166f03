"""Conditions and expressions that several statements share."""

from __future__ import annotations

from shared.domain.statuses import MessageStatus


def end_unless_in_doubt(end: str) -> str:
    """The status in which a message of the table `message` ends: `end`, an expression, or `unknown` if it is in doubt.

    A message that may have reached the provider must not be reported as not sent. (The same rule for messages in a
    worker's memory: shared/domain/transitions.py.)
    """
    return f"CASE WHEN in_doubt THEN '{MessageStatus.UNKNOWN}' ELSE {end} END::message_status"


NOT_IN_DOUBT_ELSEWHERE = "(NOT in_doubt OR message.gateway_id IS NULL OR message.gateway_id = %(gateway_id)s)"
"""Whether a message may go to a gateway: one in doubt waits for the gateway that may have it."""


def first_available(gateway_ids: str) -> str:
    """The gateway of a list that gets its messages now: the first one that is available; if none is, the first one that
    is neither paused nor removed; NULL if there is none. `gateway_ids` is an expression.
    """
    return f"""(
        SELECT gateway.id
        FROM unnest({gateway_ids}) WITH ORDINALITY AS listed(id, place)
            JOIN gateway USING (id) JOIN gateway_availability ON gateway_availability.gateway_id = gateway.id
        WHERE removed_at IS NULL AND paused_at IS NULL
        ORDER BY available DESC, place
        LIMIT 1
    )"""  # noqa: S608  put together of constants
