"""A database whose encoding is not UTF8, as `initdb` makes it in the locale C, keeps texts in any language."""

from __future__ import annotations

import threading
from dataclasses import replace
from random import Random

from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import InboundPart
from tests.conftest import MakeDatabase
from tests.database import connected, migrate
from tests.factories import add_running_mailing, rows, value
from tests.inbound import forward
from tests.integration.api.calls import add_client, caller, client_body
from tests.integration.worker.attempt_results import answer
from tests.receipts import UNDELIVERED, receive
from tests.submit_results import submitted
from worker.attempt_decision import Retries
from worker.database import Database
from worker.maintenance.inbound_assembler import InboundAssembler
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.queue import Queue
from worker.telemetry.status_reporter import LaneStatus, StatusReporter

WORDS = "Недоставлено…"
BAD = LaneStatus("default", GatewayHealth.MISCONFIGURED, in_flight=0, concurrency_limit=16)


def test_words_of_providers_and_people_are_kept(make_database: MakeDatabase) -> None:
    url = make_database(encoding="SQL_ASCII")
    migrate(url)
    worker = Database(url, threading.Event(), "gonets test")
    with connected(url) as connection:
        connection.set_client_encoding("UTF8")  # as ours are, whatever the database has
        assert value(connection, "SHOW server_encoding") == "SQL_ASCII"
        _works(connection, worker)
    worker.close()

    app = create_app(ApiSettings(database_url=database_url(url)))
    api = caller(app)
    path = f"/v1/client/{add_client(api)}/"
    assert api.put(path, json=client_body(tag=WORDS)).json["tag"] == WORDS
    [entry] = api.get("/v1/audit/?operation=updateClient").json
    assert WORDS in str(entry["detail"])


def _works(connection: Connection, worker: Database) -> None:
    add_running_mailing(connection, 2)
    queue = Queue(
        worker, worker="left", lease_seconds=30, request_timeout=10, retries=Retries(3, 0.0, 1.0), random=Random(1)
    )
    first, second = queue.claim(2)
    queue.record(
        [answer(first, "accepted"), replace(answer(second, "lost"), submitted=submitted(Result.REFUSED, 400, WORDS))]
    )
    reporter = StatusReporter(worker, "left")
    reporter.count("default", [submitted(Result.MISCONFIGURED, 401, WORDS)])
    reporter.report([BAD])
    receive(connection, replace(UNDELIVERED, message_id=first.message_id, words=WORDS))
    ReceiptApplier(worker).run()
    forward(connection, InboundPart(sender="79000000001", recipient="1001", text=WORDS))
    InboundAssembler(worker).run()

    assert rows(connection, "SELECT words FROM receipt") == [(WORDS,)]
    assert rows(connection, "SELECT text FROM inbound_message") == [(WORDS,)]
    assert rows(
        connection, "SELECT reason_params ->> 'words' FROM attempt WHERE number = 1 AND result = 'refused'"
    ) == [(WORDS,)]
    assert rows(connection, "SELECT reason_params ->> 'words' FROM worker_report") == [(WORDS,)]
