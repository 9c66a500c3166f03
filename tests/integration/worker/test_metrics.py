"""What Prometheus reads from a worker, and that what watches it speaks of nothing else."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.results import Result
from shared.domain.statuses import OnUnknown
from shared.domain.suppressions import KeywordAction
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import InboundPart, SubmitResult
from shared.version import VERSION
from tests.acceptance.worker_process import QUICK, WorkerProcess
from tests.database import ROOT
from tests.factories import add_running_mailing, execute, lease, value
from tests.inbound import WRITER, forward
from tests.integration.api.calls import caller
from tests.ports import free_port
from tests.waiting import eventually
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import LaneStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONITORING = ROOT / "docs" / "monitoring"
NAME = re.compile(r"\bgonets_[a-z_]+")
Samples = dict[tuple[str, ...], float]


def attempted(result: Result, seconds: float) -> AttemptResult:
    delivery = ClaimedMessage(
        message_id=1,
        number=1,
        mailing_id=1,
        client_id=1,
        phone_number=79161234567,
        text="Hello",
        uncounted=0,
        in_doubt=False,
        on_unknown=OnUnknown.RESEND,
        worker="w",
        claim=Claim(1, NOON.timestamp(), 0.0),
        start_from=0.0,
        start_by=1.0,
    )
    return AttemptResult(delivery, SubmitResult(result), started_at=NOON.timestamp(), duration=seconds)


def scrape(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return samples(answer.read().decode())


def samples(text: str) -> Samples:
    """By name and the values of the labels other than the worker's name."""
    return {
        (one.name, *(said for label, said in one.labels.items() if label != "worker")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics("w")
    made.statuses = lambda: [LaneStatus("default", GatewayHealth.OK, 0, 16)]
    return made


@pytest.fixture
def port(metrics: Metrics) -> int:
    """Where the metrics are served."""
    number = free_port()
    metrics.serve("127.0.0.1", number)
    return number


def test_attempts_are_counted_by_result_and_by_how_long_they_took(metrics: Metrics, port: int) -> None:
    metrics.count("default", [attempted(Result.ACCEPTED, 0.02), attempted(Result.ACCEPTED, 0.2)])
    metrics.count("default", [attempted(Result.AMBIGUOUS, 60.0)])

    scraped = scrape(port)

    assert scraped["gonets_attempts_total", "default", "accepted"] == 2
    assert scraped["gonets_attempts_total", "default", "ambiguous"] == 1
    assert scraped["gonets_attempts_total", "default", "refused"] == 0
    buckets = [
        scraped["gonets_attempt_seconds_bucket", "default", bound]
        for bound in ("0.01", "0.025", "0.25", "30.0", "+Inf")
    ]
    assert buckets == [0, 1, 2, 2, 3]
    assert scraped["gonets_attempt_seconds_sum", "default"] == pytest.approx(60.22)


def test_the_state_of_the_worker_is_read_at_each_scrape(metrics: Metrics, port: int) -> None:
    metrics.statuses = lambda: [
        LaneStatus("default", GatewayHealth.MISCONFIGURED, in_flight=3, concurrency_limit=7),
        LaneStatus("other", GatewayHealth.OK, in_flight=1, concurrency_limit=16),
    ]
    metrics.count_reclaimed(2)
    metrics.count_retry()
    metrics.receipts.applied, metrics.receipts.orphans, metrics.receipts.settled = 5, 4, 3

    metrics.keywords.exact[KeywordAction.STOP], metrics.keywords.near_misses, metrics.keywords.replies = 6, 7, 8

    scraped = scrape(port)

    assert [scraped["gonets_keywords_total", action] for action in KeywordAction] == [6, 0, 0]
    assert scraped["gonets_keyword_near_misses_total",] == 7
    assert scraped["gonets_keyword_replies_total",] == 8
    receipts = ("gonets_receipts_applied_total", "gonets_receipts_unmatched_total", "gonets_doubts_settled_total")
    assert [scraped[name,] for name in receipts] == [5, 4, 3]
    assert scraped["gonets_build_info", VERSION] == 1
    states = {state: scraped["gonets_gateway_state", "default", state] for state in GatewayHealth}
    assert states == {state: float(state is GatewayHealth.MISCONFIGURED) for state in GatewayHealth}
    assert (scraped["gonets_in_flight", "default"], scraped["gonets_concurrency_limit", "default"]) == (3, 7)
    assert (scraped["gonets_in_flight", "other"], scraped["gonets_gateway_state", "other", "ok"]) == (1, 1)
    assert (scraped["gonets_leases_reclaimed_total",], scraped["gonets_database_retries_total",]) == (2, 1)


def test_a_worker_at_work_is_scraped_as_it_records(connection: Connection, clean_database: str, tmp_path: Path) -> None:
    port = free_port()
    add_running_mailing(connection, 51)
    execute(
        connection,
        "INSERT INTO suppression (phone_number, scope, reason, source) "
        "SELECT phone_number, 'marketing', 'opted_out', 'api' FROM message WHERE id = 1",
    )
    lease(connection, 51, worker="dead", until="now() - interval '1 s'")
    forward(connection, InboundPart(sender=str(WRITER - 1), recipient="1001", text="HELP"))
    with SandboxGateway.start(token="token") as gateway:
        gateway.faults(bodies={"refused": 0.2}, seed=1)
        worker = WorkerProcess(
            tmp_path / "log",
            **QUICK,
            DATABASE_URL=clean_database,
            GATEWAY_URL=gateway.url,
            GATEWAY_TOKEN="token",
            WORKER_METRICS_PORT=str(port),
        )
        try:
            eventually(lambda: value(connection, "SELECT count(*) FROM message WHERE status = 'sent'") == 50)
            eventually(lambda: scrape(port)["gonets_attempts_total", "default", "accepted"] == 50)
            refused = value(connection, "SELECT count(*) FROM attempt WHERE result = 'retriable'")
            assert scrape(port)["gonets_attempts_total", "default", "retriable"] == refused > 0
            eventually(lambda: scrape(port)["gonets_ruled_out_total", "default", "suppressed"] == 1)
            eventually(lambda: scrape(port)["gonets_leases_reclaimed_total",] == 1)
            eventually(lambda: scrape(port)["gonets_keywords_total", "help"] == 1)
        finally:
            worker.stop()


def test_alerts_dashboard_and_docs_name_metrics_that_there_are(
    metrics: Metrics, port: int, database_url: str, clean_database: str, connection: Connection
) -> None:
    execute(connection, "INSERT INTO delivery_speed VALUES (1, '900', now(), 1, 1, 1, 1, 0)")
    app: Flask = create_app(ApiSettings(database_url=parse_database_url(database_url)))
    api = caller(app, None)
    api.get("/healthz")
    served = {name for name, *_ in [*scrape(port), *samples(api.get("/metrics").text)]}
    docs = (ROOT / "docs" / "operations.md").read_text()
    told = set(NAME.findall(docs[docs.index("## Monitoring") : docs.index("## Alerts and responses")]))
    families = served | {name.removesuffix(part) for name in served for part in ("_bucket", "_sum", "_count")}

    for file in ("alerts.yml", "dashboard.json"):
        named = set(NAME.findall((MONITORING / file).read_text()))
        assert named <= families, file
    assert told <= families
    assert {name for name in families if not name.endswith(("_bucket", "_sum", "_count"))} <= told
    assert json.loads((MONITORING / "dashboard.json").read_text())["panels"]


def test_each_alert_is_explained() -> None:
    alerts = re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text())
    docs = (ROOT / "docs" / "operations.md").read_text()
    assert alerts
    assert {f"`{alert}`" for alert in alerts} <= set(re.findall(r"^\| (`\w+`) \|", docs, re.M))
