"""SQL fragments that several statements share."""

from __future__ import annotations

from shared.domain.statuses import MessageStatus


def end_unless_in_doubt(end: str) -> str:
    """The status in which a message of the table `message` ends: `end`, an expression, or `unknown` if it is in doubt.

    A message that may have reached the provider must not be reported as not sent. (The same rule for messages in a
    worker's memory: shared/domain/transitions.py.)
    """
    return f"CASE WHEN in_doubt THEN '{MessageStatus.UNKNOWN}' ELSE {end} END::message_status"
