"""What the planner makes of what the API asks most: with statistics absent, fresh and stale, its estimate stays below
what PostgreSQL compiles, since a pooler may ignore that the API turns JIT off.
"""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import event

from api import create_app
from api.database_url import database_url as parse_database_url
from api.extensions import db
from api.settings import ApiSettings
from tests.conftest import MakeDatabase
from tests.database import connected, migrate
from tests.factories import execute
from tests.integration.api.calls import Caller, caller
from tests.query_plans import NO_AUTOVACUUM, ROWS, Plan, change, fill, plan_problems

PATHS = (
    "/v1/client/",
    f"/v1/client/?after={ROWS // 2}",
    "/v1/message/",
    "/v1/message/?status=sent",
    "/v1/message/?status=pending",
    "/v1/message/?status=sending",
    "/v1/message/?status=failed",
    "/v1/message/?client_id=5000",
    "/v1/message/?phone_number=79000005000",
    "/v1/message/?mailing_id=1&status=failed",
    f"/v1/mailing/1/message/?after={ROWS // 2}",
    "/v1/message/5000/",
    "/v1/mailing/",
    "/v1/mailing/1/",
    "/v1/statistics/",
    "/readyz",
    "/metrics",
)


def explained(api: Caller, connection: Connection) -> list[Plan]:
    """The plans of all that these addresses ask."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        for path in PATHS:
            assert api.get(path).status_code == 200, path
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    plans = []
    with connection.cursor() as cursor:
        for statement, parameters in asked:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            [((found,),)] = cursor.fetchall()
            plans.append(Plan(statement, found["Plan"]))
    return plans


@pytest.fixture
def large(make_database: MakeDatabase) -> str:
    """The URL of a database of its own, migrated and empty."""
    url = make_database()
    migrate(url)
    return url


def test_the_most_frequent_statements_are_not_expensive_enough_to_be_compiled_and_read_no_large_table(
    large: str,
) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(large)))
    with connected(large) as connection, app.app_context():
        api = caller(app)
        execute(connection, NO_AUTOVACUUM)
        fill(connection)
        assert plan_problems(explained(api, connection)) == []  # statistics are absent

        execute(connection, "ANALYZE client, mailing, message, message_count_delta")
        assert plan_problems(explained(api, connection)) == []  # they are absent for `attempt`

        execute(connection, "ANALYZE")
        assert plan_problems(explained(api, connection)) == []  # they are fresh

        change(connection)
        assert plan_problems(explained(api, connection)) == []  # they are stale
        db.engine.dispose()
