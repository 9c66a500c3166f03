"""What may be decided about a mailing, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.domain.mailing_rules import (
    EVERYBODY_LEFT_OUT,
    NO_CLIENT_IN_AUDIENCE,
    NOT_LISTED,
    MailingFields,
    check_change,
    check_fields,
    warnings_about,
)
from shared.domain.statuses import MailingStatus, OnUnknown
from shared.errors import Conflict, FieldError, Invalid
from shared.schema import Mailing

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TERMS = MailingFields(mark="vip", text="Hello", start_datetime=NOON, end_datetime=NOON + HOUR)

CHANGES: dict[str, Any] = {
    "mark": "916",
    "segment": "operator_code = 916",
    "segment_id": 7,
    "excluded_segment_ids": (8, 9),
    "text": "Goodbye",
    "start_datetime": NOON + HOUR / 2,
    "end_datetime": NOON + 2 * HOUR,
    "on_unknown": OnUnknown.HOLD,
    "exclude_unknown_after": 3,
}


def mailing(status: MailingStatus, **columns: Any) -> Mailing:
    columns = {"mark": "vip", **columns}
    return Mailing(id=7, status=status, end_datetime=TERMS.end_datetime, audience=0, **columns)


SCHEDULED = mailing(MailingStatus.SCHEDULED)
RUNNING = mailing(MailingStatus.RUNNING, launch_started_at=NOON)
PAUSED = mailing(MailingStatus.PAUSED, launch_started_at=NOON)
FINISHED = mailing(MailingStatus.FINISHED, launch_started_at=NOON, ended_at=NOON)
CANCELLED = mailing(MailingStatus.CANCELLED, launch_started_at=NOON, ended_at=NOON)


@pytest.mark.parametrize("term", CHANGES)
def test_until_its_launch_everything_can_be_changed(term: str) -> None:
    assert check_change(SCHEDULED, TERMS, replace(TERMS, **{term: CHANGES[term]})) == [term]


@pytest.mark.parametrize("term", ["text", "end_datetime", "on_unknown"])
@pytest.mark.parametrize("launched", [RUNNING, PAUSED], ids=["running", "paused"])
def test_after_its_launch_the_text_the_end_and_what_to_do_in_doubt_can_be_changed(launched: Mailing, term: str) -> None:
    assert check_change(launched, TERMS, replace(TERMS, **{term: CHANGES[term]})) == [term]


@pytest.mark.parametrize("term", [term for term in CHANGES if term not in ("text", "end_datetime", "on_unknown")])
@pytest.mark.parametrize("launched", [RUNNING, PAUSED], ids=["running", "paused"])
def test_after_its_launch_its_audience_and_start_can_not_be_changed(launched: Mailing, term: str) -> None:
    with pytest.raises(Conflict, match=r"Cancel it \(POST /v1/mailing/7/cancel/\) and create a new mailing") as refused:
        check_change(launched, TERMS, replace(TERMS, **{term: CHANGES[term]}))
    assert refused.value.field == term


@pytest.mark.parametrize("term", CHANGES)
@pytest.mark.parametrize("ended", [FINISHED, CANCELLED], ids=["finished", "cancelled"])
def test_after_its_end_nothing_can_be_changed(ended: Mailing, term: str) -> None:
    with pytest.raises(Conflict, match="what is over can't be changed") as refused:
        check_change(ended, TERMS, replace(TERMS, **{term: CHANGES[term]}))
    assert refused.value.field == term


@pytest.mark.parametrize("any_mailing", [SCHEDULED, RUNNING, PAUSED, FINISHED, CANCELLED])
def test_what_changes_nothing_is_always_allowed(any_mailing: Mailing) -> None:
    assert check_change(any_mailing, TERMS, replace(TERMS)) == []


def test_a_start_written_in_another_time_zone_is_the_same_start() -> None:
    in_moscow = NOON.astimezone(timezone(timedelta(hours=3)))
    assert check_change(RUNNING, TERMS, replace(TERMS, start_datetime=in_moscow)) == []


def test_several_faults_are_set_in_one_request() -> None:
    assert check_change(SCHEDULED, TERMS, replace(TERMS, **CHANGES)) == list(CHANGES)


@pytest.mark.parametrize("length", [timedelta(0), -timedelta(microseconds=1), -HOUR])
@pytest.mark.parametrize("any_mailing", [SCHEDULED, RUNNING], ids=["scheduled", "running"])
def test_a_window_that_does_not_end_after_its_start_is_refused(any_mailing: Mailing, length: timedelta) -> None:
    with pytest.raises(Invalid) as refused:
        check_change(any_mailing, TERMS, replace(TERMS, end_datetime=NOON + length))
    assert refused.value.field == "end_datetime"


def test_the_shortest_window_is_a_microsecond() -> None:
    check_fields(replace(TERMS, end_datetime=NOON + timedelta(microseconds=1)))


def test_the_refusals_are_errors_of_a_field() -> None:
    assert issubclass(Invalid, FieldError)
    assert issubclass(Conflict, FieldError)


BEFORE_ITS_END = TERMS.end_datetime - timedelta(microseconds=1)
LAUNCHED = {"launch_started_at": NOON, "launched_at": NOON}


@pytest.mark.parametrize(
    ("status", "columns", "has_matching_client", "now", "codes"),
    [
        (MailingStatus.SCHEDULED, {}, True, BEFORE_ITS_END, []),
        (MailingStatus.SCHEDULED, {}, True, TERMS.end_datetime, ["window_closed"]),
        (MailingStatus.SCHEDULED, {}, False, BEFORE_ITS_END, ["nobody_matches"]),
        (MailingStatus.SCHEDULED, {}, False, TERMS.end_datetime, ["window_closed", "nobody_matches"]),
        (MailingStatus.RUNNING, {"launch_started_at": NOON}, False, BEFORE_ITS_END, []),
        (MailingStatus.RUNNING, LAUNCHED, True, BEFORE_ITS_END, ["nobody_matches"]),
        (MailingStatus.RUNNING, LAUNCHED, True, TERMS.end_datetime, ["window_closed", "nobody_matches"]),
        (MailingStatus.PAUSED, LAUNCHED, True, TERMS.end_datetime, ["window_closed", "nobody_matches"]),
        (MailingStatus.FINISHED, LAUNCHED, True, TERMS.end_datetime, ["nobody_matches"]),
        (MailingStatus.CANCELLED, {}, False, TERMS.end_datetime, []),
        (MailingStatus.FINISHED, {"purge_started_at": NOON}, True, TERMS.end_datetime, ["ledger_removed"]),
    ],
)
def test_what_is_probably_not_meant_is_said(
    status: MailingStatus, columns: dict[str, Any], has_matching_client: bool, now: datetime, codes: list[str]
) -> None:
    warnings = warnings_about(mailing(status, **columns), has_matching_client=has_matching_client, now=now)
    assert [warning.code for warning in warnings] == codes


@pytest.mark.parametrize(
    ("settled_at", "open_messages", "codes"), [(NOON, 1, ["unended_messages"]), (NOON, 0, []), (None, 1, [])]
)
def test_open_messages_are_told_of_only_once_the_mailing_is_settled(
    settled_at: datetime | None, open_messages: int, codes: list[str]
) -> None:
    finished = Mailing(
        status=MailingStatus.FINISHED, end_datetime=TERMS.end_datetime, audience=1, settled_at=settled_at, **LAUNCHED
    )
    warnings = warnings_about(finished, has_matching_client=True, open_messages=open_messages, now=NOON)
    assert [warning.code for warning in warnings] == codes


def test_a_launched_mailing_with_an_audience_has_nothing_to_be_warned_of() -> None:
    launched = Mailing(status=MailingStatus.RUNNING, end_datetime=TERMS.end_datetime, audience=1, **LAUNCHED)
    assert warnings_about(launched, has_matching_client=False, now=NOON) == []


def test_an_audience_that_is_empty_because_of_who_is_left_out_is_told_apart() -> None:
    launched = mailing(MailingStatus.RUNNING, exclude_unknown_after=2, **LAUNCHED)
    assert warnings_about(launched, has_matching_client=True, now=NOON) == [EVERYBODY_LEFT_OUT]


@pytest.mark.parametrize("columns", [{"mark": ""}, {"excluded_segment_ids": [8]}], ids=["segment", "exclusion"])
def test_an_empty_audience_of_segments_is_told_apart(columns: dict[str, Any]) -> None:
    launched = mailing(MailingStatus.RUNNING, **columns, **LAUNCHED)
    assert warnings_about(launched, has_matching_client=False, now=NOON) == [NO_CLIENT_IN_AUDIENCE]


def test_an_audience_that_could_not_be_listed_is_warned_of_until_the_mailing_has_ended() -> None:
    failed = {"mark": "", "launch_started_at": NOON, "audience_failed_at": NOON}
    paused, cancelled = (mailing(status, **failed) for status in (MailingStatus.PAUSED, MailingStatus.CANCELLED))
    assert warnings_about(paused, has_matching_client=False, now=NOON) == [NOT_LISTED]
    assert warnings_about(cancelled, has_matching_client=False, now=NOON) == []
