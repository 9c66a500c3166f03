"""What Prometheus reads from the API."""

from __future__ import annotations

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from api.suppressions import queries
from shared.gateways.base import InboundPart
from tests.factories import (
    add_gateway,
    add_report,
    add_running_mailing,
    change_mailing,
    change_message,
    execute,
    lease,
    value,
)
from tests.inbound import add_inbound_message, forward
from tests.integration.api.calls import Caller, caller
from tests.ports import free_port
from tests.waiting import eventually
from worker.maintenance.duties import Maintenance


@pytest.fixture
def fresh(database_url: str, clean_database: str) -> Caller:
    """An application of its own, which has not answered anything yet."""
    assert clean_database == database_url
    return caller(create_app(ApiSettings(database_url=parse_database_url(database_url))))


def scrape(api: Caller) -> dict[tuple[str, ...], float]:
    """The samples by name and label values."""
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_messages_and_mailings_are_told_by_status(fresh: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 3)
    change_message(connection, 1, "status = 'failed', ended_at = now()")

    scraped = scrape(fresh)

    assert scraped["gonets_messages", "pending"] == 2
    assert scraped["gonets_messages", "failed"] == 1
    assert scraped["gonets_messages", "sent"] == 0
    assert scraped["gonets_mailings", "running"] == 1
    assert scraped["gonets_unended_messages",] == 0
    assert scraped["gonets_database_up",] == 1


def test_suppressions_in_force_are_counted_by_scope(
    fresh: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        connection,
        "INSERT INTO suppression (phone_number, scope, reason, source, lifted_at, lift_evidence) "
        "SELECT 79000000000 + n, (CASE WHEN n %% 3 = 0 THEN 'marketing' ELSE 'everything' END)::suppression_scope, "
        "'opted_out', 'api', CASE n WHEN 1 THEN now() END, CASE n WHEN 1 THEN '{}'::jsonb END "
        "FROM generate_series(1, 3000) AS n",
    )

    scraped = scrape(fresh)

    assert scraped["gonets_suppressions", "everything"] == 1999
    assert scraped["gonets_suppressions", "marketing"] == 1000
    assert scraped["gonets_suppressions", "gateway"] == 0
    # Of more rows a part is counted.
    eventually(lambda: value(connection, "SELECT pg_stat_get_live_tuples('suppression'::regclass)") >= 3000)
    monkeypatch.setattr(queries, "COUNTED", 1500)
    assert 0 < scrape(fresh)["gonets_suppressions", "everything"] < 10_000


def test_unread_inbound_messages_and_waiting_parts_are_counted(fresh: Caller, connection: Connection) -> None:
    add_inbound_message(connection)
    add_inbound_message(connection)
    execute(connection, "UPDATE inbound_message SET read_at = now(), read_by = 'anna' WHERE id = 1")
    forward(connection, InboundPart(sender="1", recipient="", text="one", reference="7", parts=2))

    scraped = scrape(fresh)

    assert scraped["gonets_inbound_unread",] == 1
    assert scraped["gonets_inbound_parts_waiting",] == 1


def test_inbound_messages_that_wait_for_a_decision_are_counted(
    fresh: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    for text in ("Stop. Thank you", "When does it begin?"):
        forward(connection, InboundPart(sender="79000000001", recipient="1001", text=text))
    maintenance.run()

    assert scrape(fresh)["gonets_inbound_undecided",] == 1


def test_each_gateway_says_whether_it_is_available_and_whether_it_is_paused(
    fresh: Caller, connection: Connection
) -> None:
    add_gateway(connection, "paused")
    execute(connection, "UPDATE gateway SET paused_at = now() WHERE name = 'paused'")
    execute(connection, "UPDATE gateway_availability SET available = false WHERE gateway_id = 1")

    scraped = scrape(fresh)

    told = ("gonets_gateway_available", "gonets_gateway_paused")
    assert [scraped[name, "default"] for name in told] == [0, 0]
    assert [scraped[name, "paused"] for name in told] == [1, 1]


@pytest.mark.parametrize(
    ("change", "waits"),
    [("status = 'running'", 600), ("status = 'paused'", 0), ("end_datetime = now()", 0)],
)
def test_the_oldest_due_message_is_told_if_it_may_be_sent(
    change: str, waits: float, fresh: Caller, connection: Connection
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    change_message(connection, 1, "due_at = now() - interval '10 minutes'")
    add_running_mailing(connection, 1)
    for later in (2, 3):
        change_message(connection, later, "due_at = now() + interval '10 minutes'")
    change_mailing(connection, mailing_id, change)

    assert scrape(fresh)["gonets_due_oldest_seconds",] == pytest.approx(waits, abs=30)


def test_expired_leases_that_are_not_reclaimed_are_in_the_metrics(fresh: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 3)
    # Messages that the claim no longer holds are not counted: one has ended, another is in a later claim.
    lease(connection, 1, 2, 3, until="now() - interval '1 minute'")
    change_message(connection, 3, "status = 'sent', sent_at = now(), ended_at = now()")
    lease(connection, 2, until="now() + interval '1 minute'")

    assert scrape(fresh)["gonets_leases_run_out",] == 1


def test_workers_are_alive_while_they_report_and_have_not_reported_their_stop(
    fresh: Caller, connection: Connection
) -> None:
    # The last one's report is from before the clock was put back.
    reports = (("here", 1, False), ("gone", 1, True), ("gone", 6, False), ("silent", 60, False), ("ahead", -60, False))
    for worker, ago, stopped in reports:
        add_report(connection, worker, ago=ago, stopped=stopped)

    assert scrape(fresh)["gonets_workers_alive",] == 1


def test_requests_are_counted_by_rule_and_never_by_path(fresh: Caller) -> None:
    for client_id in (1, 2, 79161234567):
        assert fresh.get(f"/v1/client/{client_id}").status_code == 404
    fresh.get("/made/up/79161234567")

    scraped = scrape(fresh)

    assert scraped["gonets_http_requests_total", "GET", "/v1/client/<id:client_id>", "404"] == 3
    assert scraped["gonets_http_requests_total", "GET", "none", "404"] == 1
    assert scraped["gonets_http_request_seconds_count", "/v1/client/<id:client_id>"] == 3
    assert "79161234567" not in fresh.get("/metrics").text


def test_with_the_database_away_it_says_so_and_nothing_it_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    app: Flask = create_app(
        ApiSettings(database_url=parse_database_url(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"))
    )

    scraped = scrape(caller(app))

    assert scraped["gonets_database_up",] == 0
    assert not any(name.startswith("gonets_messages") for name, *_ in scraped)
    [record] = [one for one in caplog.records if one.msg == "metrics.database_unavailable"]
    assert record.__dict__["error"] == "OperationalError"
