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


def is_one_of_many(column: str) -> str:
    """Whether the id of a message is one of the array `ids`, of which `first` is the least and `last` the greatest.

    By the bounds the planner leaves out partitions; those between them are searched, even if they have none of the ids.
    The array goes through a subquery: of a constant one the planner estimates each element, which takes longer than all
    the rest of planning, and for many elements it may read a whole partition.
    """
    return f"{column} = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[]))) AND {column} BETWEEN %(first)s AND %(last)s"


IN_RANGE = "message.id BETWEEN %(first)s AND %(last)s"


def of_range(statement: str) -> str:
    """The same statement for all messages from `first` to `last`, or for those of them that a join of it selects.

    They are read in one walk along the index; to find each of many apart takes a fifth of such a statement.
    """
    return statement.replace(is_one_of_many("message.id"), IN_RANGE)
