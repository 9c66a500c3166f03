"""What the log says of attempts."""

from __future__ import annotations

import logging
import re

import pytest

from shared.domain.results import Result
from shared.logs import JsonFormatter
from tests.database import ROOT
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import delivery
from worker.claimed_message import AttemptResult
from worker.telemetry.attempt_log import LINES_PER_SECOND, LOGGED, AttemptLog

PHONE, TEXT = 79161234567, "Nobody else's business"


def attempted(result: Result, *, message_id: int = 1234) -> AttemptResult:
    claimed = delivery(2, message_id=message_id, mailing_id=7, client_id=42, phone_number=PHONE, text=TEXT)
    return AttemptResult(claimed, submitted(result, 500, f"said {TEXT} to {PHONE}"), 0.0, 0.1, 0.0)


@pytest.fixture(autouse=True)
def _told_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("result", Result)
def test_an_attempt_is_logged_when_its_failure_is_about_the_message(
    result: Result, caplog: pytest.LogCaptureFixture
) -> None:
    AttemptLog().write("default", [attempted(result)])

    assert len(caplog.records) == (result in LOGGED)


@pytest.mark.parametrize("result", Result)
def test_every_attempt_is_logged_at_the_level_debug(result: Result, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    AttemptLog().write("default", [attempted(result)])

    assert [record.message_id for record in caplog.records] == [1234]  # type: ignore[attr-defined]


def test_the_documented_searches_find_it_and_it_tells_no_more_than_ids(caplog: pytest.LogCaptureFixture) -> None:
    AttemptLog().write("default", [attempted(Result.REFUSED)])
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
    log.write("default", [attempted(Result.REFUSED, message_id=number) for number in range(3 * LINES_PER_SECOND)])
    assert len(caplog.records) == LINES_PER_SECOND

    now = 1.5
    log.write("default", [attempted(Result.REFUSED)])

    later = caplog.records[LINES_PER_SECOND:]
    assert [vars(record).get("attempts") for record in later] == [2 * LINES_PER_SECOND, None]
