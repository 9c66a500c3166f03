"""The state machine: its table, the documentation's picture of it, and what stands on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from random import Random

import pytest

from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus, OnUnknown
from shared.domain.transitions import (
    MAILING_MOVES,
    MESSAGE_MOVES,
    MailingMove,
    MessageMove,
    end_unless_in_doubt,
    message_moves,
)
from shared.sql.conditions import end_unless_in_doubt as end_in_sql
from tests.database import ROOT
from tests.integration.worker.attempt_results import ANSWERS
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import Retries, decide

PAGE = (ROOT / "docs" / "state-machine.md").read_text()


def picture(moves: Sequence[MessageMove | MailingMove]) -> str:
    """The diagram and the table of the documentation."""
    arrows = dict.fromkeys((move.before or "[*]", move.after or "[*]") for move in moves)
    edges = (f"    {before} --> {after}" for before, after in arrows)
    cells = (
        f"| {_cell(move.before)} | {_cell(move.after)} | {move.actor.value} | {move.cause.value} |" for move in moves
    )
    return "\n".join(
        ["```mermaid", "stateDiagram-v2", *edges, "```", "", "| from | to | who | why |", "|---|---|---|---|", *cells]
    )


def _cell(status: str | None) -> str:
    return "–" if status is None else f"`{status}`"


@pytest.mark.parametrize(("kind", "moves"), [("message", MESSAGE_MOVES), ("mailing", MAILING_MOVES)])
def test_the_documentation_shows_every_move_and_no_other(kind: str, moves: Sequence[MessageMove | MailingMove]) -> None:
    [shown] = re.findall(f"<!-- {kind} moves -->\n\n(.*?)\n\n(?=\\S)(?![|`])", PAGE, re.DOTALL)

    assert shown == picture(moves)


@pytest.mark.parametrize(
    ("statuses", "moves"), [(MessageStatus, MESSAGE_MOVES), (MailingStatus, MAILING_MOVES)], ids=["message", "mailing"]
)
def test_every_status_can_be_reached_and_left(
    statuses: Iterable[str], moves: Sequence[MessageMove | MailingMove]
) -> None:
    assert {move.after for move in moves} - {None} == {move.before for move in moves} - {None} == set(statuses)
    assert len(set(moves)) == len(moves)


def test_what_is_open_is_never_deleted_and_what_was_sent_moves_no_more() -> None:
    for move in MESSAGE_MOVES:
        assert move.before not in OPEN_STATUSES or move.after is not None
        assert move.before is not MessageStatus.SENT or move.after is None


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_message_in_doubt_ends_as_unknown_and_as_nothing_else(in_doubt: bool) -> None:
    for end in (MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELLED):
        assert end_unless_in_doubt(end, in_doubt=in_doubt) is (MessageStatus.UNKNOWN if in_doubt else end)
    assert end_in_sql("'expired'") == "CASE WHEN in_doubt THEN 'unknown' ELSE 'expired' END::message_status"


def test_whatever_is_answered_a_message_moves_as_the_table_allows() -> None:
    for answer, in_doubt, on_unknown, number in product(ANSWERS.values(), (False, True), OnUnknown, (1, 5)):
        claimed = delivery(number, in_doubt=in_doubt, on_unknown=on_unknown)
        decided = decide(claimed, answer, Retries(5, 1.0, 1.0), Random(1))
        assert message_moves(MessageStatus.SENDING, decided.status)
