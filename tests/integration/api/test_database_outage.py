"""A database that is away or busy, and bugs: callers are told what to do, and never what is none of their business."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import psycopg2
import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app, settings
from api.clients import queries, services
from api.database_url import database_url as parse_database_url
from api.extensions import db
from api.http import errors
from api.settings import ApiSettings
from sandbox.postgres import EmbeddedPostgres
from shared.logs import JsonFormatter
from tests import factories
from tests.integration.api.calls import (
    CLIENT,
    MAILING,
    Caller,
    add_client,
    caller,
    client_body,
    once_blocked,
)
from tests.ports import free_port

EVERY_KIND_OF_CALL = [
    ("GET", "/v1/client/", None),
    ("POST", "/v1/client/create/", CLIENT),
    ("PUT", "/v1/mailing/1/", MAILING),
    ("DELETE", "/v1/mailing/1/", None),
    ("GET", "/v1/message/?status=sent", None),
    ("GET", "/v1/statistics/", None),
    ("GET", "/readyz", None),
]

CUT = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE application_name = 'gonets-api' AND datname = current_database()
"""


def an_app(url: str, **chosen: float) -> Flask:
    return create_app(ApiSettings(database_url=parse_database_url(url), **chosen))  # type: ignore[arg-type]


@pytest.fixture
def holder(clean_database: str) -> Iterator[Connection]:
    """A connection that holds locks until it commits."""
    connection = psycopg2.connect(clean_database)
    yield connection
    connection.close()


@pytest.fixture
def api_without_database() -> Caller:
    """A caller of an application whose database is nowhere."""
    return caller(an_app(f"postgresql://gonets:secret@127.0.0.1:{free_port()}/gonets"))


@pytest.mark.parametrize(("method", "path", "body"), EVERY_KIND_OF_CALL)
def test_a_database_that_is_away_is_said_and_when_to_try_again(
    api_without_database: Caller,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: dict[str, object] | None,
) -> None:
    response = api_without_database.open(path, method=method, json=body)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.json == {
        "code": 503,
        "status": "Service Unavailable",
        "message": "The database is unavailable; please retry.",
        "reason_code": "database_unavailable",
        "reason_params": {},
    }
    assert "secret" not in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_process_goes_on_without_its_database(api_without_database: Caller) -> None:
    assert api_without_database.get("/healthz").status_code == 200
    assert api_without_database.get("/docs/").status_code == 200
    assert api_without_database.post("/v1/client/create/", json={}).status_code == 422


def test_a_database_that_comes_back_is_used_again(own_postgres: EmbeddedPostgres) -> None:
    api = caller(an_app(own_postgres.url))
    client_id = add_client(api)
    own_postgres.stop()
    assert api.get(f"/v1/client/{client_id}").status_code == 503
    own_postgres.start()
    assert api.get(f"/v1/client/{client_id}").status_code == 200


def test_connections_that_were_cut_between_requests_are_replaced(api: Caller, connection: Connection) -> None:
    client_id = add_client(api)
    for _ in range(2):
        assert factories.rows(connection, CUT)
        assert api.get(f"/v1/client/{client_id}").status_code == 200


def test_a_connection_that_is_cut_within_a_request_is_a_transient_error(
    app: Flask, api: Caller, connection: Connection, holder: Connection
) -> None:
    path = f"/v1/client/{add_client(api)}/"
    factories.execute(holder, "SELECT FROM client FOR UPDATE")
    (answer,) = once_blocked(
        connection,
        partial(factories.rows, connection, CUT),
        partial(caller(app).put, path, json=client_body(tag="other")),
    )
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    holder.rollback()
    assert api.get(path).json["tag"] == CLIENT["tag"]


def test_a_statement_that_takes_too_long_gives_up(clean_database: str, api: Caller, holder: Connection) -> None:
    path = f"/v1/client/{add_client(api)}/"
    factories.execute(holder, "SELECT FROM client FOR UPDATE")
    answer = caller(an_app(clean_database, statement_timeout=0.1)).put(path, json=client_body(tag="other"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_no_connection_left_in_the_pool_is_a_transient_error(
    clean_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "POOL_TIMEOUT", 0.05)
    busy = an_app(clean_database)
    with busy.app_context(), ExitStack() as connections:
        pool = db.engine.pool
        for _ in range(pool.size() + pool._max_overflow):  # type: ignore[attr-defined]
            connections.enter_context(db.engine.connect())
        answer = caller(busy).get("/v1/client/")
    assert answer.status_code == 503
    assert caller(busy).get("/v1/client/").status_code == 200


def test_a_bug_is_logged_and_not_told(
    api: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the innermost secret")

    monkeypatch.setattr(queries, "client_by_id", fail)
    response = api.get("/v1/client/1/")
    assert response.status_code == 500
    assert response.json == {
        "code": 500,
        "status": "Internal Server Error",
        "message": "Internal error. It has been logged.",
        "reason_code": "internal_error",
        "reason_params": {},
    }
    (record,) = caplog.records
    assert "the innermost secret" in JsonFormatter().format(record)
    assert api.get("/v1/client/").status_code == 200


@pytest.mark.parametrize("form", [CLIENT, {**CLIENT, "phone_number": 79169999999}], ids=["taken", "new"])
def test_no_phone_number_and_no_text_gets_into_the_logs(
    api: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, form: dict[str, object]
) -> None:
    caplog.set_level(logging.DEBUG)
    add_client(api)
    monkeypatch.setattr(errors, "CONSTRAINTS", {})
    monkeypatch.setattr(services, "check_operator_code", lambda *_: None)
    response = api.post("/v1/client/create/", json={**form, "operator_code": "000", "tag": "confidential"})
    assert response.status_code == 500
    logged = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert "SQLSTATE 23" in logged
    assert "7916" not in logged
    assert "confidential" not in logged


@pytest.mark.parametrize(
    ("statement", "field", "status"),
    [
        ("INSERT INTO client VALUES (DEFAULT, 79161234567, '999', '', 'UTC')", "operator_code", 422),
        ("INSERT INTO client VALUES (DEFAULT, 5, '5', '', 'UTC')", "phone_number", 422),
        ("INSERT INTO mailing (mark, start_datetime, end_datetime) VALUES ('a', now(), now())", "end_datetime", 422),
        ("INSERT INTO mailing_text VALUES (1, 1, '')", "text", 422),
        ("INSERT INTO mailing_text VALUES (1, 1, repeat('x', 6401))", "text", 422),
    ],
)
def test_the_database_guards_what_a_rule_has_let_pass(
    app: Flask, api: Caller, monkeypatch: pytest.MonkeyPatch, statement: str, field: str, status: int
) -> None:
    monkeypatch.setattr(queries, "client_by_id", lambda _: db.session.execute(db.text(statement)))
    response = api.get("/v1/client/1/")
    assert response.status_code == status
    assert set(response.json["errors"]["json"]) == {field}


@pytest.mark.parametrize(
    ("sqlstate", "status", "retry_after"),
    [
        ("40P01", 503, "1"),
        ("40001", 503, "1"),
        ("55P03", 503, "1"),
        ("57014", 503, "1"),
        ("57P01", 503, "5"),
        ("53300", 503, "5"),
        ("53100", 503, "5"),
        ("25006", 503, "5"),
        ("42P01", 500, None),
        ("22P05", 500, None),
        ("23514", 500, None),
        ("XX000", 500, None),
    ],
    ids=[
        "deadlock",
        "serialization failure",
        "lock not available",
        "statement timeout",
        "shutdown",
        "too many connections",
        "disk full",
        "read-only",
        "no such table",
        "untranslatable character",
        "a constraint nobody knows",
        "internal error",
    ],
)
def test_a_transient_error_is_told_from_a_bug(
    api: Caller, monkeypatch: pytest.MonkeyPatch, sqlstate: str, status: int, retry_after: str | None
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'an error' USING ERRCODE = '{sqlstate}'; END $$"
    monkeypatch.setattr(queries, "client_by_id", lambda _: db.session.execute(db.text(raising)))
    response = api.get("/v1/client/1/")
    assert (response.status_code, response.headers.get("Retry-After")) == (status, retry_after)
    assert api.get("/v1/client/").status_code == 200
