"""What pages call a problem, and which comes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.console.alerts import IDLE_WARNING_SECONDS, START_TOLERANCE, PendingWork, Problem, problems_about, problems_of
from api.mailings.audience_count import Recipients
from api.mailings.waiting_messages import Overdue, Waiting
from api.workers.gateway_state import FRESH_SECONDS, ConfiguredGateway, GatewayState, Since, gateway_of
from api.workers.queries import Fleet
from shared.domain.mailing_rules import MailingWarning
from shared.domain.results import Result
from shared.domain.statuses import MailingStatus
from shared.domain.worker_status import GatewayHealth
from shared.schema import GatewayContact, WorkerReport

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def report(name: str = "one", *, ago: float = 2.0, state: str = "ok", stopped: bool = False) -> WorkerReport:
    at = NOON - timedelta(seconds=ago)
    said = {"provider_code": "401", "reason_code": "token_rejected"}
    return WorkerReport(
        worker=name, at=at, gateway="default", gateway_state=GatewayHealth(state), stopped=stopped, **said
    )


def contact(asked: float, answered: float | None, result: Result = Result.ACCEPTED) -> GatewayContact:
    answered_at = None if answered is None else ago(answered)
    said = {"reason_code": "connection_failed", "reason_params": {"words": "timed out"}}
    return GatewayContact(gateway="default", asked_at=ago(asked), answered_at=answered_at, result=result, **said)


WELL = contact(1, 1)


def mailing(pending: int, *, ends_in: float = 60.0, status: str = "running", **more: Any) -> dict[str, Any]:
    given = {"id": 7, "mark": "vip", "warnings": [], "status": MailingStatus(status), "messages": {"pending": pending}}
    given |= {"start_datetime": ago(60.0), "launched_at": None if status == "scheduled" else ago(50.0)}
    return given | {"end_datetime": NOON + timedelta(seconds=ends_in)} | more


def load(*waiting: int, overdue: Overdue | None = None) -> PendingWork:
    """So much waits in mailings 7, 8 and so on."""
    left = {7 + place: Waiting(messages, NOON + timedelta(hours=1)) for place, messages in enumerate(waiting)}
    return PendingWork(left, overdue, dict.fromkeys(overdue.recipients, 20000)) if overdue else PendingWork(left)


def found(*reports: WorkerReport, mailings: list[dict[str, Any]] | None = None, speed: float = 10.0) -> list[Problem]:
    waiting = load(*(one["messages"]["pending"] for one in mailings or [] if one["status"] == "running"))
    return problems_of(Fleet(NOON, reports, speed, {"default": WELL}), mailings or [], waiting, rate=0.0)


def codes(*reports: WorkerReport, mailings: list[dict[str, Any]] | None = None, speed: float = 10.0) -> list[str]:
    return [problem.code for problem in found(*reports, mailings=mailings, speed=speed)]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("ok", []),
        ("slowing", ["gateway_slowing"]),
        ("circuit_open", ["gateway_away"]),
        ("misconfigured", ["misconfigured"]),
        ("no_credit", ["no_credit"]),
        ("not_understood", ["not_understood"]),
    ],
)
def test_the_gateway_s_health_is_the_worst_that_a_worker_sees(state: str, code: list[str]) -> None:
    assert codes(report("one"), report("two", state=state)) == code


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (None, "unasked"),
        (contact(1, 1), "ok"),
        (contact(1, FRESH_SECONDS), "ok"),
        (contact(FRESH_SECONDS + 1, FRESH_SECONDS + 1), "idle"),
        (contact(FRESH_SECONDS + 1, FRESH_SECONDS + 1, Result.REFUSED), "idle"),
        (contact(1, FRESH_SECONDS + 1, Result.UNREACHABLE), "no_answer"),
        (contact(3600, None, Result.AMBIGUOUS), "no_answer"),
        (contact(3600, 3600, Result.MISCONFIGURED), "last_refused"),
    ],
)
def test_a_gateway_without_errors_is_called_ok_only_if_it_has_answered_lately(
    last: GatewayContact | None, state: str
) -> None:
    for alive in ([report()], []):
        assert gateway_of(alive, last, NOON).state == state


def test_a_gateway_that_has_slowed_down_and_was_not_asked_since_is_idle() -> None:
    slow = [report(state="slowing")]
    assert gateway_of(slow, contact(1, 1), NOON).state is GatewayState.SLOWING
    assert gateway_of(slow, contact(FRESH_SECONDS + 1, FRESH_SECONDS + 1), NOON).state is GatewayState.IDLE


def test_a_problem_of_the_gateway_says_when_it_last_answered_and_since_when_it_is_so() -> None:
    reports = [report(state="misconfigured"), report("two")]
    fleet = Fleet(NOON, reports, 0.0, {"default": contact(3, 900)}, since={"default": Since(ago(600), at_least=False)})
    (problem,) = problems_of(fleet, [], load(), rate=0.0)
    facts = problem.facts
    moments = facts["answered_at"], facts["asked_at"], facts["state_since"].at
    assert moments == (ago(900), ago(3), ago(600))
    assert (facts["workers"], facts["of"], facts["gateway"].provider_code) == (1, 2, "401")


def test_a_last_request_without_an_answer_is_a_problem_although_no_worker_reports_one() -> None:
    # What a worker said that has stopped since is not since when it is so.
    since = Since(ago(600), at_least=False)
    fleet = Fleet(NOON, [report()], 0.0, {"default": contact(100, 900, Result.UNREACHABLE)}, since={"default": since})
    (problem,) = problems_of(fleet, [], load(), rate=0.0)
    assert (problem.code, problem.facts["state_since"]) == ("no_answer", None)


def test_a_last_request_that_was_refused_is_shown_as_a_warning() -> None:
    fleet = Fleet(NOON, [report()], 0.0, {"default": contact(3600, 3600, Result.MISCONFIGURED)})
    (problem,) = problems_of(fleet, [], load(), rate=0.0)
    assert (problem.code, problem.level) == ("last_refused", "warning")


def test_a_worker_that_is_gone_says_nothing_of_the_gateway() -> None:
    gone = report("two", ago=60.0, state="misconfigured")
    (problem,) = found(report("one"), gone)
    assert (problem.code, problem.facts) == ("worker_silent", {"worker": "two", "at": gone.at})


def test_a_worker_that_has_reported_its_stop_is_not_missing() -> None:
    assert codes(report("one"), report("two", ago=60.0, stopped=True)) == []


OVERDUE = Overdue(1, ago(START_TOLERANCE + 1), {7: Recipients("vip")})


@pytest.mark.parametrize("reports", [[], [report(ago=60.0)], [report(stopped=True)]], ids=["none", "silent", "stopped"])
@pytest.mark.parametrize(
    ("to_do", "level"),
    [(load(), "warning"), (load(5), "danger"), (load(overdue=Overdue(1, ago(1), {7: Recipients("vip")})), "danger")],
    ids=["idle", "messages wait", "a start has come"],
)
def test_no_live_worker_is_severe_when_messages_are_pending(
    reports: list[WorkerReport], to_do: PendingWork, level: str
) -> None:
    (problem,) = problems_of(Fleet(NOON, reports, 0.0, {"default": WELL}, ago(60)), [], to_do, rate=0.0)
    assert (problem.code, problem.level, problem.facts["last"]) == ("no_worker", level, ago(60))


def test_no_live_worker_is_shown_with_what_is_overdue_and_since_when() -> None:
    (problem,) = problems_of(Fleet(NOON, [], 0.0, {"default": WELL}), [], load(overdue=OVERDUE), rate=0.0)
    facts = problem.facts
    assert (facts["late"], facts["since"], facts["clients"]) == (1, ago(START_TOLERANCE + 1), 20_000)


@pytest.mark.parametrize(("late", "code"), [(START_TOLERANCE, []), (START_TOLERANCE + 1, ["not_started"])])
def test_a_worker_that_lives_has_some_time_to_start_a_mailing(late: float, code: list[str]) -> None:
    fleet = Fleet(NOON, [report()], 0.0, {"default": WELL})
    to_do = load(overdue=Overdue(1, ago(late), {7: Recipients("vip")}))
    assert [problem.code for problem in problems_of(fleet, [], to_do, rate=0.0)] == code


@pytest.mark.parametrize(
    ("of", "code"),
    [
        (mailing(5), ["misconfigured"]),
        (mailing(0, messages={"pending": 0, "sending": 1}), ["misconfigured"]),
        (mailing(0), []),
        (mailing(0, launched_at=None), ["misconfigured"]),
        (mailing(5, status="paused", ends_in=7200), []),
        (mailing(0, status="finished"), []),
        (mailing(0, status="scheduled", start_datetime=ago(-IDLE_WARNING_SECONDS)), ["misconfigured"]),
        (mailing(0, status="scheduled", start_datetime=ago(-IDLE_WARNING_SECONDS - 1), ends_in=9000), []),
    ],
    ids=["waits", "under way", "done", "launching", "paused", "finished", "soon", "far"],
)
def test_a_mailing_is_concerned_by_the_gateway_while_it_has_something_to_send(
    of: dict[str, Any], code: list[str]
) -> None:
    fleet = Fleet(NOON, [report(state="misconfigured")], 10.0, {"default": WELL})
    assert [problem.code for problem in problems_about(of, fleet, load(5), rate=0.0)] == code


def test_a_mailing_that_should_have_started_says_so_with_its_own_figures() -> None:
    fleet, others = (
        Fleet(NOON, [], 0.0, {"default": WELL}),
        load(0, 900, overdue=Overdue(3, ago(9000), {7: Recipients("vip"), 9: Recipients("all")})),
    )
    (problem,) = problems_about(mailing(0, status="scheduled"), fleet, others, rate=0.0)
    facts = problem.facts
    assert (problem.level, facts["due"], facts["late"], facts["since"]) == ("danger", 0, 1, ago(60))
    assert facts["clients"] == 20_000


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


def test_an_end_that_is_near_says_what_is_left_and_how_long_that_takes() -> None:
    (problem,) = found(report(), mailings=[mailing(601)], speed=10.0)
    assert problem.facts == {"id": 7, "end": NOON + timedelta(seconds=60), "pending": 601, "needed": 60.1}


def test_the_speed_is_shared_with_mailings_that_are_not_listed() -> None:
    fleet = Fleet(NOON, [report()], 10.0, {"default": WELL})
    alone, beside = (problems_about(mailing(400), fleet, load(400, *others), rate=0.0) for others in ((), (400,)))
    assert ([one.code for one in alone], [one.code for one in beside]) == ([], ["end_is_near"])


def test_a_far_end_is_no_problem_while_nothing_is_sent_yet() -> None:
    assert codes(report(), mailings=[mailing(100, ends_in=IDLE_WARNING_SECONDS)], speed=0.0) == []


def test_a_paused_mailing_near_its_end_is_told_from_one_that_is_too_slow() -> None:
    (problem,) = found(report(), mailings=[mailing(100, status="paused")])
    assert (problem.code, problem.facts["id"], problem.facts["pending"]) == ("paused_near_end", 7, 100)
    assert codes(report(), mailings=[mailing(100, status="paused", ends_in=IDLE_WARNING_SECONDS)]) == []


def test_a_mailing_that_nobody_matches_is_a_problem_before_it_starts() -> None:
    nobody = [MailingWarning("nobody_matches", "Nobody.")]
    (problem,) = found(report(), mailings=[mailing(0, status="scheduled", warnings=nobody)])
    assert (problem.code, problem.facts["mark"]) == ("nobody_matches", "vip")


def test_severe_problems_come_first() -> None:
    found = codes(report("one", state="circuit_open"), report("two", ago=60.0), mailings=[mailing(1000)])
    assert found == ["gateway_away", "worker_silent", "end_is_near"]


def of_several(*reports: WorkerReport, **paused: bool) -> list[Problem]:
    configured = [ConfiguredGateway(name, is_paused) for name, is_paused in paused.items()]
    return problems_of(Fleet(NOON, reports, 1.0, {"default": WELL}, configured=configured), [], load(5), rate=0.0)


def report_on(gateway: str, state: str) -> WorkerReport:
    made = report("one", state=state)
    made.gateway = gateway
    return made


def test_each_gateway_has_problems_of_its_own() -> None:
    reports = (report_on("default", "ok"), report_on("second", "no_credit"), report_on("third", "circuit_open"))
    problems = of_several(*reports, default=False, second=False, third=False)
    assert [(one.code, one.facts["name"], one.facts["of_environment"]) for one in problems] == [
        ("no_credit", "second", False),
        ("gateway_away", "third", False),
    ]


def test_a_paused_gateway_is_no_problem_unless_all_are() -> None:
    reports = (report_on("default", "ok"), report_on("second", "misconfigured"))
    assert of_several(*reports, default=False, second=True) == []
    assert [(one.code, one.level) for one in of_several(*reports, default=True, second=True)] == [
        ("all_paused", "danger")
    ]


def test_a_worker_that_reports_on_one_gateway_only_is_not_silent() -> None:
    old = report_on("second", "ok")
    old.at = ago(300)
    assert of_several(report_on("default", "ok"), old, default=False, second=False) == []
