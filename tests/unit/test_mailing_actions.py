"""What may be done to a mailing as a whole, in each of its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.mailing_rules import Action, check_retry, status_after
from shared.domain.statuses import MailingStatus
from shared.errors import Conflict
from shared.schema import Mailing

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def mailing(status: str, **columns: Any) -> Mailing:
    return Mailing(id=7, status=MailingStatus(status), end_datetime=NOON + HOUR, **columns)


LAUNCHED = {"launch_started_at": NOON - HOUR, "launched_at": NOON - HOUR}
LAUNCHING = {"launch_started_at": NOON - HOUR}


@pytest.mark.parametrize(
    ("status", "history", "pause", "resume", "cancel"),
    [
        ("scheduled", {}, "paused", "scheduled", "cancelled"),
        ("running", LAUNCHING, "paused", "running", "cancelled"),
        ("running", LAUNCHED, "paused", "running", "cancelled"),
        ("paused", {}, "paused", "scheduled", "cancelled"),
        ("paused", LAUNCHING, "paused", "running", "cancelled"),
        ("paused", LAUNCHED, "paused", "running", "cancelled"),
        ("finished", LAUNCHED, None, None, None),
        ("cancelled", {}, None, None, "cancelled"),
        ("cancelled", LAUNCHED, None, None, "cancelled"),
    ],
)
def test_where_each_action_leads(
    status: str, history: dict[str, Any], pause: str | None, resume: str | None, cancel: str | None
) -> None:
    for action, leads_to in ((Action.PAUSE, pause), (Action.RESUME, resume), (Action.CANCEL, cancel)):
        if leads_to is not None:
            assert status_after(mailing(status, **history), action) is MailingStatus(leads_to)
            continue
        with pytest.raises(Conflict, match=f"^Mailing 7 is {status}: there is nothing to {action.value}") as refused:
            status_after(mailing(status, **history), action)
        assert refused.value.field == "status"


@pytest.mark.parametrize("status", ["running", "paused", "finished"])
def test_the_messages_of_a_launched_mailing_are_retried_while_its_window_is_open(status: str) -> None:
    check_retry(mailing(status, **LAUNCHED), NOON)


@pytest.mark.parametrize(
    ("status", "history", "now", "field", "why"),
    [
        ("scheduled", {}, NOON, "status", "is not launched yet"),
        ("paused", {}, NOON, "status", "is not launched yet"),
        ("running", LAUNCHING, NOON, "status", "is not launched yet"),
        ("cancelled", LAUNCHED, NOON, "status", "is cancelled"),
        ("running", LAUNCHED, NOON + HOUR, "end_datetime", "has closed"),
        ("finished", LAUNCHED, NOON + 2 * HOUR, "end_datetime", "has closed"),
        ("finished", {**LAUNCHED, "purge_started_at": NOON}, NOON, "status", "no longer kept"),
        ("cancelled", LAUNCHED, NOON + 2 * HOUR, "status", "is cancelled"),
    ],
)
def test_what_can_not_be_retried_says_why(
    status: str, history: dict[str, Any], now: datetime, field: str, why: str
) -> None:
    with pytest.raises(Conflict, match=why) as refused:
        check_retry(mailing(status, **history), now)
    assert refused.value.field == field
