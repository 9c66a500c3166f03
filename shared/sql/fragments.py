"""Parts that several statements are put together of."""

from __future__ import annotations

from shared.domain.statuses import MessageStatus


def end_unless_in_doubt(end: str) -> str:
    """The status in which a message of the table `message` ends: `end`, an expression, or `unknown` if it is in doubt.

    Of what may have reached the provider nobody can say that it was not sent. (The same rule for what a worker has in
    memory: shared/domain/transitions.py.)
    """
    return f"CASE WHEN in_doubt THEN '{MessageStatus.UNKNOWN}' ELSE {end} END::message_status"
