"""What a request costs on the way to the database."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import text

from api import create_app
from api.database_url import database_url
from api.extensions import db
from api.settings import ApiSettings
from tests import factories

STATE = "SELECT state FROM pg_stat_activity WHERE pid = %s"


def backend() -> Any:
    return db.session.scalar(text("SELECT pg_backend_pid()"))


@pytest.mark.usefixtures("clean_database")
@pytest.mark.parametrize(("method", "state"), [("GET", "idle"), ("HEAD", "idle"), ("POST", "idle in transaction")] * 2)
def test_a_request_that_only_reads_begins_no_transaction(
    app: Flask, connection: Connection, method: str, state: str
) -> None:
    with app.test_request_context(method=method):
        assert factories.value(connection, STATE, backend()) == state


def test_a_connection_is_used_again_by_the_next_request(clean_database: str) -> None:
    app = create_app(ApiSettings(database_url=database_url(clean_database)))
    used = set()
    for method in ("GET", "POST", "GET"):
        with app.test_request_context(method=method):
            used.add(backend())
    assert len(used) == 1
    with app.app_context():
        db.engine.dispose()


def test_a_connection_whose_server_has_gone_is_not_used_again(connection: Connection, clean_database: str) -> None:
    app = create_app(ApiSettings(database_url=database_url(clean_database)))
    with app.test_request_context():
        gone = backend()
    factories.execute(connection, "SELECT pg_terminate_backend(%s, 10000)", gone)
    with app.test_request_context():
        assert backend() != gone
    with app.app_context():
        db.engine.dispose()


def test_each_statement_sees_what_was_committed_before_it_whatever_the_database_has_as_default(
    connection: Connection, clean_database: str
) -> None:
    url = database_url(clean_database)
    factories.execute(
        connection, f"ALTER DATABASE \"{url.database}\" SET default_transaction_isolation = 'repeatable read'"
    )
    app = create_app(ApiSettings(database_url=url))
    try:
        with app.test_request_context(method="POST"):
            assert db.session.scalar(text("SHOW transaction_isolation")) == "read committed"
    finally:
        factories.execute(connection, f'ALTER DATABASE "{url.database}" RESET default_transaction_isolation')
        with app.app_context():
            db.engine.dispose()
