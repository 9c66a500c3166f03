"""The workers' reports: what they say, how often, and how long they are kept."""

from __future__ import annotations

import time

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.worker_status import REPORT_INTERVAL, GatewayHealth
from shared.gateways.base import SubmitResult
from tests.factories import execute, rows, value
from tests.integration.worker.conftest import OpenDatabase
from tests.submit_results import submitted
from worker.telemetry.status_reporter import Contact, LaneStatus, StatusReporter

GOOD = LaneStatus("default", GatewayHealth.OK, in_flight=3, concurrency_limit=16)
BAD = LaneStatus("default", GatewayHealth.MISCONFIGURED, in_flight=0, concurrency_limit=16)

ACCEPTED = submitted(Result.ACCEPTED, 200)
TIMED_OUT = submitted(Result.AMBIGUOUS, None, "timed out")
REFUSED = submitted(Result.MISCONFIGURED, 401, "code 12", ReasonCode.TOKEN_REJECTED)


@pytest.fixture
def reporter(open_database: OpenDatabase) -> StatusReporter:
    return StatusReporter(open_database(), "left")


def test_a_report_says_what_was_done_and_how_things_stand(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count("default", [ACCEPTED, ACCEPTED, REFUSED])
    reporter.report([GOOD])

    question = """
        SELECT worker, gateway, accepted, misconfigured, ambiguous, in_flight, concurrency_limit, gateway_state,
            provider_code, reason_code, reason_params
        FROM worker_report
        """
    assert rows(connection, question) == [("left", "default", 2, 1, 0, 3, 16, "ok", None, None, None)]


def test_each_gateway_has_a_report_of_its_own(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count("default", [ACCEPTED])
    reporter.count("other", [TIMED_OUT, TIMED_OUT])
    reporter.report([GOOD, BAD._replace(gateway="other", state=GatewayHealth.CIRCUIT_OPEN)])

    question = "SELECT gateway, accepted, ambiguous, gateway_state, reason_code FROM worker_report ORDER BY gateway"
    expected = [("default", 1, 0, "ok", None), ("other", 0, 2, "circuit_open", "connection_failed")]
    assert rows(connection, question) == expected
    contacts = rows(connection, "SELECT gateway, result::text FROM gateway_contact ORDER BY gateway")
    assert contacts == [("default", "accepted"), ("other", "ambiguous")]


def test_what_was_reported_is_not_reported_again(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count("default", [ACCEPTED])
    reporter.report([GOOD])
    reporter.count("default", [ACCEPTED, ACCEPTED])
    reporter.report([GOOD], stopped=True)

    assert rows(connection, "SELECT accepted, stopped FROM worker_report ORDER BY at") == [(1, False), (2, True)]


def test_reports_are_written_when_they_are_due_and_no_sooner(reporter: StatusReporter, connection: Connection) -> None:
    assert reporter.seconds_until_due() == 0.0
    begun = time.monotonic()
    for _ in range(3):
        reporter.report([GOOD])

    assert value(connection, "SELECT count(*) FROM worker_report") == 1
    due = reporter.seconds_until_due()
    assert REPORT_INTERVAL - (time.monotonic() - begun) <= due <= REPORT_INTERVAL


def test_a_problem_is_shown_with_the_gateway_s_message(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count("default", [REFUSED])
    reporter.report([BAD])

    told = rows(connection, "SELECT gateway_state, provider_code, reason_code, reason_params FROM worker_report")
    assert told == [("misconfigured", "401", "token_rejected", {"words": "code 12"})]


def test_old_reports_are_removed_in_passing(reporter: StatusReporter, connection: Connection) -> None:
    reporter.report([GOOD])
    execute(connection, "UPDATE worker_report SET at = now() - interval '61 min', worker = 'gone'")
    reporter.report([GOOD], stopped=True)

    assert rows(connection, "SELECT worker FROM worker_report") == [("left",)]


CONTACT = """
SELECT result::text, provider_code, reason_code, answered_at IS NOT NULL, accepted_at IS NOT NULL,
    asked_at > now() - interval '1 min'
FROM gateway_contact
"""


def report_again(reporter: StatusReporter, *results: SubmitResult) -> None:
    reporter.count("default", results)
    reporter.report([GOOD], stopped=True)  # it is not due


def test_the_last_request_and_the_last_answer_are_kept_for_good(
    reporter: StatusReporter, connection: Connection
) -> None:
    report_again(reporter)
    assert rows(connection, CONTACT) == []
    report_again(reporter, TIMED_OUT)
    assert rows(connection, CONTACT) == [("ambiguous", None, "connection_failed", False, False, True)]
    report_again(reporter, ACCEPTED, REFUSED)
    assert rows(connection, CONTACT) == [("misconfigured", "401", "token_rejected", True, True, True)]
    assert value(connection, "SELECT asked_at = answered_at AND answered_at = accepted_at FROM gateway_contact")
    report_again(reporter, TIMED_OUT)
    assert value(connection, "SELECT asked_at > answered_at FROM gateway_contact")
    before = rows(connection, "SELECT * FROM gateway_contact")
    report_again(reporter)
    assert rows(connection, "SELECT * FROM gateway_contact") == before


def test_of_two_workers_the_later_contact_counts_and_none_of_the_future(
    reporter: StatusReporter, connection: Connection
) -> None:
    report_again(reporter, ACCEPTED)
    seen = rows(connection, CONTACT)
    for ahead in ("-1 hour", "1 hour"):
        moved = "UPDATE gateway_contact SET asked_at = now() + %s::interval, answered_at = now() + %s::interval"
        execute(connection, f"{moved}, result = 'refused'", ahead, ahead)
        report_again(reporter, ACCEPTED)
        assert rows(connection, CONTACT) == seen, ahead
    earlier = Contact()
    earlier.note([TIMED_OUT], time.monotonic() - 60)
    with connection.cursor() as cursor:
        earlier.write(cursor, "default")
    assert rows(connection, CONTACT) == seen
