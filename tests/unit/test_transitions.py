"""The state machine: its table, the documentation's picture of it, and what stands on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from random import Random

import pytest

from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus, OnUnknown
from shared.domain.transitions import (
    MAILING_TRANSITIONS,
    MESSAGE_TRANSITIONS,
    MailingTransition,
    MessageTransition,
    end_unless_in_doubt,
    message_transitions,
)
from shared.sql.conditions import end_unless_in_doubt as end_in_sql
from tests.database import ROOT
from tests.integration.worker.attempt_results import ANSWERS
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import Retries, decide

PAGE = (ROOT / "docs" / "state-machine.md").read_text()


def picture(transitions: Sequence[MessageTransition | MailingTransition]) -> str:
    """The diagram and the table of the documentation."""
    arrows = dict.fromkeys((one.before or "[*]", one.after or "[*]") for one in transitions)
    edges = (f"    {before} --> {after}" for before, after in arrows)
    cells = (
        f"| {_cell(one.before)} | {_cell(one.after)} | {one.actor.value} | {one.cause.value} |" for one in transitions
    )
    return "\n".join(
        ["```mermaid", "stateDiagram-v2", *edges, "```", "", "| from | to | who | why |", "|---|---|---|---|", *cells]
    )


def _cell(status: str | None) -> str:
    return "–" if status is None else f"`{status}`"


@pytest.mark.parametrize(("kind", "transitions"), [("message", MESSAGE_TRANSITIONS), ("mailing", MAILING_TRANSITIONS)])
def test_the_documentation_shows_every_transition_and_no_other(
    kind: str, transitions: Sequence[MessageTransition | MailingTransition]
) -> None:
    [shown] = re.findall(f"<!-- {kind} transitions -->\n\n(.*?)\n\n(?=\\S)(?![|`])", PAGE, re.DOTALL)

    assert shown == picture(transitions)


@pytest.mark.parametrize(
    ("statuses", "transitions"),
    [(MessageStatus, MESSAGE_TRANSITIONS), (MailingStatus, MAILING_TRANSITIONS)],
    ids=["message", "mailing"],
)
def test_every_status_can_be_reached_and_left(
    statuses: Iterable[str], transitions: Sequence[MessageTransition | MailingTransition]
) -> None:
    assert {one.after for one in transitions} - {None} == {one.before for one in transitions} - {None} == set(statuses)
    assert len(set(transitions)) == len(transitions)


def test_what_is_open_is_never_deleted_and_what_was_sent_moves_no_more() -> None:
    for one in MESSAGE_TRANSITIONS:
        assert one.before not in OPEN_STATUSES or one.after is not None
        assert one.before is not MessageStatus.SENT or one.after is None


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_message_in_doubt_ends_as_unknown_and_as_nothing_else(in_doubt: bool) -> None:
    for end in (MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELLED):
        assert end_unless_in_doubt(end, in_doubt=in_doubt) is (MessageStatus.UNKNOWN if in_doubt else end)
    assert end_in_sql("'expired'") == "CASE WHEN in_doubt THEN 'unknown' ELSE 'expired' END::message_status"


def test_whatever_is_answered_a_message_moves_as_the_table_allows() -> None:
    for answer, in_doubt, on_unknown, number in product(ANSWERS.values(), (False, True), OnUnknown, (1, 5)):
        claimed = delivery(number, in_doubt=in_doubt, on_unknown=on_unknown)
        decided = decide(claimed, answer, Retries(5, 1.0, 1.0), Random(1))
        assert message_transitions(MessageStatus.SENDING, decided.status)
