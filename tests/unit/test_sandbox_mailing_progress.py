"""A mailing as one line."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.mailing_progress import has_ended, progress_line, summary


def mailing(status: str, audience: int, **messages: int) -> dict[str, Any]:
    return {"id": 7, "status": status, "audience": audience, "messages": messages}


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (mailing("scheduled", 0), "Mailing 7 is scheduled: workers look for due messages every few seconds"),
        (mailing("running", 1000, pending=1000, sent=0), "░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 1,000 sent · 1,000 pending"),
        (
            mailing("running", 1000, pending=484, sending=16, sent=498, failed=2),
            "████████████░░░░░░░░░░░░ 498 of 1,000 sent · 484 pending, 16 sending, 2 failed",
        ),
        (mailing("paused", 2, sent=1, pending=1), "████████████░░░░░░░░░░░░ 1 of 2 sent · 1 pending · paused"),
        (mailing("running", 3, sent=3), "████████████████████████ 3 of 3 sent"),
        (
            mailing("running", 3, sent=3)
            | {"delivery": {"awaiting": 1, "delivered": 2, "undelivered": 0, "no_receipt": 0}},
            "████████████████████████ 3 of 3 sent · 1 awaiting, 2 delivered",
        ),
    ],
)
def test_the_bar_fills_with_what_has_ended_and_only_what_occurs_is_counted(said: dict[str, Any], line: str) -> None:
    assert progress_line(said) == line


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (mailing("finished", 1000, sent=1000, failed=0), "1,000 sent"),
        (mailing("finished", 5, sent=2, failed=1, expired=1, unknown=1), "2 sent, 1 failed, 1 expired, 1 unknown"),
        (mailing("finished", 0), "no messages"),
    ],
)
def test_the_summary_tells_what_became_of_the_messages(said: dict[str, Any], words: str) -> None:
    assert summary(said) == words


@pytest.mark.parametrize(
    ("status", "ended"),
    [("scheduled", False), ("running", False), ("paused", False), ("finished", True), ("cancelled", True)],
)
def test_a_mailing_is_followed_to_its_end(status: str, ended: bool) -> None:
    assert has_ended(mailing(status, 1)) is ended
