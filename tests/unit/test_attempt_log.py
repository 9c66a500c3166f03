"""What the log says of attempts."""

from __future__ import annotations

import logging
import re

import pytest

from shared.domain.statuses import Outcome
from shared.logs import JsonFormatter
from tests.database import ROOT
from tests.unit.test_delivery import delivery
from worker.answers import SubmitResult
from worker.delivery import AttemptResult
from worker.telemetry.attempt_log import MOST, AttemptLog

PHONE, TEXT = 79161234567, "Nobody else's business"


def attempted(outcome: Outcome, *, message_id: int = 1234) -> AttemptResult:
    claimed = delivery(2, message_id=message_id, mailing_id=7, client_id=42, phone_number=PHONE, text=TEXT)
    return AttemptResult(claimed, SubmitResult(outcome, 500, f"said {TEXT} to {PHONE}"), 0.0, 0.1, 0.0)


@pytest.fixture(autouse=True)
def _told_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_attempt_is_told_when_it_speaks_of_the_message_and_did_not_end_well(
    outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    AttemptLog().tell([attempted(outcome)])

    assert len(caplog.records) == (outcome in (Outcome.REFUSED, Outcome.AMBIGUOUS))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_attempt_is_told_to_who_wants_to_know_everything(
    outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    AttemptLog().tell([attempted(outcome)])

    assert [record.message_id for record in caplog.records] == [1234]  # type: ignore[attr-defined]


def test_the_documented_searches_find_it_and_it_tells_no_more_than_ids(caplog: pytest.LogCaptureFixture) -> None:
    AttemptLog().tell([attempted(Outcome.REFUSED)])
    [record] = caplog.records
    line = JsonFormatter().format(record)

    searches = re.findall(r"grep -E '(.*)'", (ROOT / "docs/operations.md").read_text())
    assert len(searches) == 3
    assert all(re.search(search, line) for search in searches)
    assert not any(re.search(search.replace("[,}]", "0[,}]"), line) for search in searches)
    assert str(PHONE) not in line
    assert TEXT not in line


def test_a_gateway_that_refuses_everything_does_not_fill_the_disk(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = AttemptLog(lambda: now)
    log.tell([attempted(Outcome.REFUSED, message_id=number) for number in range(3 * MOST)])
    assert len(caplog.records) == MOST

    now = 1.5
    log.tell([attempted(Outcome.REFUSED)])

    assert [vars(record).get("left_out") for record in caplog.records[MOST:]] == [2 * MOST, None]
