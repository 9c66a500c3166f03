"""What the dashboard calls a problem, and which comes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.console.fleet import Fleet
from api.console.problems import problems_of, seconds_left
from shared.ledger import MailingStatus
from shared.mailings import MailingWarning
from shared.models import WorkerReport
from shared.reports import GatewayHealth

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def report(name: str = "one", *, ago: float = 2.0, gateway: str = "ok", stopped: bool = False) -> WorkerReport:
    at = NOON - timedelta(seconds=ago)
    return WorkerReport(worker=name, at=at, gateway=GatewayHealth(gateway), stopped=stopped, detail="HTTP 401")


def mailing(pending: int, *, ends_in: float = 60.0, status: str = "running", **more: Any) -> dict[str, Any]:
    given = {"id": 7, "mark": "vip", "warnings": [], "status": MailingStatus(status), "messages": {"pending": pending}}
    return given | {"end_datetime": NOON + timedelta(seconds=ends_in)} | more


def codes(
    *reports: WorkerReport, mailings: list[dict[str, Any]] | None = None, speed: float = 10.0, due: int = 0
) -> list[str]:
    fleet = Fleet(NOON, reports, speed)
    return [problem.code for problem in problems_of(fleet, mailings or [], due=due, rate=0.0)]


@pytest.mark.parametrize(
    ("gateway", "code"),
    [("ok", []), ("slowing", ["gateway_slowing"]), ("open", ["gateway_away"]), ("refused", ["token_refused"])],
)
def test_the_gateway_s_health_is_the_worst_that_a_worker_sees(gateway: str, code: list[str]) -> None:
    assert codes(report("one"), report("two", gateway=gateway)) == code


def test_a_worker_that_is_gone_says_nothing_of_the_gateway() -> None:
    assert codes(report("one"), report("two", ago=60.0, gateway="refused")) == ["worker_silent"]


@pytest.mark.parametrize("reports", [[], [report(ago=60.0)], [report(stopped=True)]], ids=["none", "silent", "stopped"])
def test_nobody_alive_is_grave_when_something_waits(reports: list[WorkerReport]) -> None:
    fleet = Fleet(NOON, reports, 0.0)
    (idle,) = problems_of(fleet, [], due=0, rate=0.0)
    (waiting,) = problems_of(fleet, [], due=5, rate=0.0)
    assert (idle.code, idle.level, waiting.level) == ("no_worker", "warning", "danger")


@pytest.mark.parametrize(
    ("pending", "speed", "code"),
    [
        (600, 10.0, []),
        (601, 10.0, ["end_is_near"]),
        (1, 0.0, ["end_is_near"]),
        (0, 0.0, []),
    ],
)
def test_an_end_is_near_when_the_speed_does_not_suffice(pending: int, speed: float, code: list[str]) -> None:
    assert codes(report(), mailings=[mailing(pending)], speed=speed) == code


def test_a_far_end_is_no_problem_while_nothing_is_sent_yet() -> None:
    assert codes(report(), mailings=[mailing(100, ends_in=7200.0)], speed=0.0) == []


def test_a_paused_mailing_near_its_end_is_told_from_one_that_is_too_slow() -> None:
    assert codes(report(), mailings=[mailing(100, status="paused")]) == ["paused_near_end"]


def test_a_mailing_that_nobody_matches_is_a_problem_before_it_starts() -> None:
    nobody = [MailingWarning("nobody_matches", "Nobody.")]
    assert codes(report(), mailings=[mailing(0, status="scheduled", warnings=nobody)]) == ["nobody_matches"]


def test_grave_problems_come_first() -> None:
    found = codes(report("one", gateway="open"), report("two", ago=60.0), mailings=[mailing(1000)])
    assert found == ["gateway_away", "worker_silent", "end_is_near"]


@pytest.mark.parametrize(
    ("pending", "all_pending", "running", "rate", "left"),
    [(100, 100, 1, 10.0, 10.0), (10, 1000, 2, 10.0, 2.0), (900, 1000, 2, 10.0, 100.0), (5, 5, 1, 0.0, None)],
)
def test_mailings_share_the_speed(
    pending: int, all_pending: int, running: int, rate: float, left: float | None
) -> None:
    assert seconds_left(pending, all_pending, running, rate) == left
