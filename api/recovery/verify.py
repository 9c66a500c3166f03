"""Checking the whole ledger against its rules, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import text

from api.database import execute
from api.extensions import db
from shared.sql import verify

IDS_SHOWN = 10
"""Ids that a finding names."""


class Check(NamedTuple):
    """A rule of the ledger, and the statement that finds what contradicts it."""

    rule: str
    finding: str
    """What is found, before the ids."""
    statement: str


class Finding(NamedTuple):
    """What contradicts a rule: the first ids, and whether there are more."""

    check: Check
    ids: Sequence[int]
    more: bool


class Size(NamedTuple):
    """Rows of the ledger that was checked."""

    mailings: int
    messages: int
    attempts: int


CHECKS = (
    Check("every message has its mailing", "Messages without a mailing", verify.MESSAGES_WITHOUT_MAILING),
    Check(
        "a client has one message of a mailing",
        "Messages to a client who has an earlier one of the same mailing",
        verify.REPEATED_MESSAGES,
    ),
    Check(
        "counts by mailing, status and delivery are those of the messages",
        "Mailings whose counts are not those of their messages",
        verify.WRONG_COUNTS,
    ),
    Check(
        "a mailing's audience is the number of its messages",
        "Mailings whose audience is not the number of their messages",
        verify.WRONG_AUDIENCES,
    ),
    Check(
        "every pending message is queued for when it is due",
        "Pending messages that are not queued for when they are due",
        verify.PENDING_NOT_QUEUED,
    ),
    Check(
        "every message that is being sent is in its claim",
        "Messages that are being sent without a claim",
        verify.SENDING_NOT_CLAIMED,
    ),
    Check(
        "a message has as many fixed values as its text has fields",
        "Messages whose fixed values are not those of their text",
        verify.WRONG_TEXT_VALUES,
    ),
    Check(
        "the list of unsent messages is right",
        "Messages that are missing in the list of unsent messages, or wrongly in it",
        verify.WRONG_UNSENT,
    ),
    Check(
        "every attempt has its message", "Messages that have attempts and are missing", verify.ATTEMPTS_WITHOUT_MESSAGE
    ),
    Check(
        "every attempt is recorded once, but those in flight",
        "Messages whose attempts are not numbered from 1 to the number of attempts",
        verify.WRONG_ATTEMPT_NUMBERS,
    ),
    Check(
        "every sent message was accepted, has a receipt, or a person said that it had arrived",
        "Messages that are sent without having been accepted",
        verify.SENT_NOT_ACCEPTED,
    ),
    Check(
        "the messages of settled mailings have ended",
        "Messages that have not ended, of settled mailings",
        verify.UNENDED_OF_SETTLED,
    ),
    Check(
        "no list of an audience is left of settled mailings",
        "Settled or missing mailings whose audience is still listed",
        verify.AUDIENCES_OF_SETTLED,
    ),
    Check(
        "every receipt has its message", "Messages that have receipts and are missing", verify.RECEIPTS_WITHOUT_MESSAGE
    ),
    Check(
        "a delivery is what a receipt says",
        "Messages that are delivered or undelivered without a receipt that says so",
        verify.DELIVERY_WITHOUT_RECEIPT,
    ),
    Check(
        "every message whose receipt is awaited has a deadline",
        "Messages that await a receipt without a deadline",
        verify.AWAITING_WITHOUT_DEADLINE,
    ),
    Check(
        "the list of undelivered messages is right",
        "Messages that are missing in the list of undelivered messages, or wrongly in it",
        verify.WRONG_UNDELIVERED,
    ),
    Check(
        "no message was sent that a suppression covers, later than a claim before the suppression lasts",
        "Messages that were attempted over two hours after their number was suppressed",
        verify.SENT_DESPITE_SUPPRESSION,
    ),
    Check(
        "a message that ended because its number is suppressed has that suppression",
        "Messages that ended as suppressed whose number never was",
        verify.SUPPRESSED_WITHOUT_SUPPRESSION,
    ),
)


def begin_snapshot() -> None:
    """Begins a transaction that sees the database as it is now, and writes nothing. To be called before any read."""
    db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def find_contradictions() -> Iterator[Finding]:
    """What contradicts the rules of the ledger, check by check.

    The server reads the tables once or more for each check; what doesn't fit into its `work_mem` is on disk meanwhile.
    """
    for check in CHECKS:
        first = f"SELECT id FROM ({check.statement}) AS found ORDER BY id LIMIT {IDS_SHOWN + 1}"  # noqa: S608
        ids = [row.id for row in execute(first, {})]
        if ids:
            yield Finding(check, ids[:IDS_SHOWN], more=len(ids) > IDS_SHOWN)


def ledger_size() -> Size:
    """How many rows the ledger has."""
    row = execute(verify.COUNT_ROWS, {}).one()
    return Size(row.mailings, row.messages, row.attempts)
