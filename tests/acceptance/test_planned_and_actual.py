"""The plan of a mailing of personalised texts beside what its workers, one of which is killed, really sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import SHORT_LEASE
from tests.factories import add_clients, counted, execute, rows
from tests.integration.api.calls import add_mailing as add_by_api
from tests.integration.api.calls import caller
from tests.waiting import eventually

CLIENTS, NAMELESS = 2000, 20
TEXT = "Здравствуйте, {{ first_name }}! Ждём вас в субботу."


def test_planned_and_actual_are_equal_where_nothing_changed(
    connection: Connection, clean_database: str, gateway: SandboxGateway, fleet: Fleet
) -> None:
    execute(connection, "UPDATE gateway SET segment_price = 0.045, currency = 'EUR' WHERE id = 1")
    add_clients(connection, CLIENTS, tag="kept")
    add_clients(connection, 50, tag="edited")
    execute(
        connection, "UPDATE client SET attributes = jsonb_build_object('first_name', repeat('я', (id %% 90)::int + 1))"
    )
    execute(connection, "UPDATE client SET attributes = '{}' WHERE id <= %s", NAMELESS)
    api = caller(create_app(ApiSettings(database_url=parse_database_url(clean_database))))
    kept, edited = (add_by_api(api, text=TEXT, mark=mark) for mark in ("kept", "edited"))
    longer = "UPDATE client SET attributes = jsonb_build_object('first_name', repeat('я', 100)) WHERE tag = 'edited'"
    execute(connection, longer)
    gateway.faults(latency=0.01)
    first = fleet.start(**SHORT_LEASE)
    fleet.start(**SHORT_LEASE)
    execute(connection, "UPDATE mailing SET start_datetime = now(), end_datetime = now() + interval '1 hour'")
    eventually(lambda: gateway.summary().accepted > 300)
    first.kill()
    first.start()
    ended = {"sent": CLIENTS - NAMELESS, "failed": NAMELESS}
    eventually(lambda: counted(connection, kept) == ended and counted(connection, edited) == {"sent": 50})

    def compared(mailing_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
        found = api.get(f"/v1/mailing/{mailing_id}/plan/").json
        return found["planned"], found["actual"]

    plan, actual = compared(kept)
    assert (plan["audience"], plan["messages"], plan["missing"][0]["clients"]) == (
        CLIENTS,
        CLIENTS - NAMELESS,
        NAMELESS,
    )
    assert (actual["messages"], actual["segments"], actual["uncounted"]) == (plan["messages"], plan["segments"], 0)
    assert plan["segments"] > plan["messages"]
    (share,) = actual["shares"]
    (planned,) = plan["shares"]
    assert Decimal(share.pop("cost")) == Decimal(planned.pop("cost")) == plan["segments"] * Decimal("0.045")
    assert share == planned == {"gateway": "default", "messages": 1980, "segments": plan["segments"], "currency": "EUR"}
    lengths = rows(connection, "SELECT length(attributes ->> 'first_name') FROM client WHERE tag = 'kept'")
    texts = [len(TEXT.replace("{{ first_name }}", "я" * length)) for (length,) in lengths if length is not None]
    assert plan["segments"] == sum(1 if length <= 70 else -(-length // 67) for length in texts)

    # Names that were edited in between cost what they are.
    plan, actual = compared(edited)
    assert plan["messages"] == actual["messages"] == 50
    assert plan["segments"] < actual["segments"] == 50 * 3
