"""Which requests reschedule messages that wait for a local window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.local_windows import LocalWindow, next_permitted
from tests.conftest import Connect
from tests.factories import FIRST_PHONE, add_running_mailing, execute, rows, value
from tests.integration.api.calls import Caller, add_mailing, client_body, mailing_body
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter

CSV = "phone_number,operator_code,tag,timezone\n"
OPENS = (datetime.now(ZoneInfo("Europe/Moscow")) + timedelta(hours=3)).replace(second=0, microsecond=0)
MINUTE = OPENS.hour * 60 + OPENS.minute
WINDOW = {"local_from": MINUTE, "local_until": MINUTE + 1, "local_weekdays": 127}


@pytest.fixture(autouse=True)
def _waiting(api: Caller, connection: Connection) -> None:
    """A mailing with two messages that wait, and one without a local window."""
    add_running_mailing(connection, 2, ends_in=3 * 86_400, **WINDOW)
    add_running_mailing(connection, 1)
    execute(
        connection,
        "UPDATE message SET due_at = %s, reason_code = 'outside_local_window' WHERE mailing_id = 1",
        OPENS,
    )


def requested(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT mailing_id, last_message_id FROM reschedule ORDER BY 1")


def move_to_tokyo(api: Caller) -> None:
    body = {"phone_number": FIRST_PHONE + 1, "operator_code": "900", "tag": "sample", "timezone": "Asia/Tokyo"}
    assert api.put("/v1/client/1/", json=client_body(**body)).status_code == 200


def opening_in_tokyo() -> datetime:
    now = datetime.now(UTC)
    opens = next_permitted(LocalWindow(MINUTE, MINUTE + 1), ZoneInfo("Asia/Tokyo"), now, now + timedelta(days=2))
    assert opens is not None
    return opens


def test_a_client_with_another_time_zone_is_rescheduled_at_once(api: Caller, connection: Connection) -> None:
    move_to_tokyo(api)

    opens = opening_in_tokyo()
    assert rows(connection, "SELECT due_at FROM message WHERE mailing_id = 1 ORDER BY id") == [(opens,), (OPENS,)]
    queued = "SELECT count(*) FROM queue_batch WHERE due_at BETWEEN %s AND %s"
    assert value(connection, queued, opens, opens + timedelta(seconds=1)) == 1
    assert requested(connection) == []


def test_what_a_claim_postpones_while_its_client_moves_is_rescheduled(
    api: Caller, connection: Connection, connect: Connect
) -> None:
    execute(connection, "UPDATE message SET due_at = now() - interval '1 second', reason_code = NULL WHERE id = 1")
    claim = connect()
    claim.autocommit = False
    execute(claim, "UPDATE message SET due_at = %s, reason_code = 'outside_local_window' WHERE id = 1", OPENS)

    moving = in_background(lambda: move_to_tokyo(api))
    wait_for_lock_waiter(connection)
    claim.commit()
    moving.result(PATIENCE)

    assert value(connection, "SELECT due_at FROM message WHERE id = 1") == opening_in_tokyo()


@pytest.mark.parametrize(
    ("change", "is_requested"),
    [
        ({"local_until": "24:00"}, True),
        ({"local_weekdays": ["sunday"]}, True),
        ({"default_timezone": "UTC"}, True),
        ({"end_datetime": "2031-01-01T00:00:00Z"}, True),
        ({"local_from": None, "local_until": None, "local_weekdays": None}, True),
        ({"text": "Bye"}, False),
        ({"over_cap": "cancel"}, False),
    ],
)
def test_a_change_of_a_launched_mailing_is_a_request_if_it_moves_the_window(
    change: dict[str, Any], is_requested: bool, api: Caller, connection: Connection
) -> None:
    if is_requested:  # one that is under way begins again
        execute(connection, "INSERT INTO reschedule (mailing_id, last_message_id) VALUES (1, 7)")
    mailing = api.get("/v1/mailing/1/").json
    fixed = {name: mailing[name] for name in ("text", "mark", "start_datetime", "end_datetime")}
    assert api.put("/v1/mailing/1/", json={**fixed, **change}).status_code == 200
    assert requested(connection) == ([(1, 0)] if is_requested else [])


def test_a_change_before_the_launch_is_no_request(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)

    answer = api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(default_timezone="UTC"))

    assert answer.json["default_timezone"] == "UTC"
    assert requested(connection) == []


@pytest.mark.parametrize(("timezone", "is_requested"), [("Asia/Tokyo", True), ("Europe/Moscow", False)])
def test_an_import_that_changes_clients_is_a_request_for_all_that_wait(
    timezone: str, is_requested: bool, api: Caller, connection: Connection
) -> None:
    [(phone, code, tag)] = rows(connection, "SELECT phone_number, operator_code, tag FROM client WHERE id = 1")
    row = f"{phone},{code},{tag},{timezone}\n{FIRST_PHONE + 9},900,sample,UTC\n"
    answer = api.post("/v1/client/import/", data=CSV + row, content_type="text/csv")
    assert answer.status_code == 200, answer.text
    assert requested(connection) == ([(1, 0)] if is_requested else [])


def test_other_caps_are_a_request_for_all_marketing_mailings(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1, kind="service")
    for caps in ([{"messages": 1, "period_hours": 24}], []):
        assert api.put("/v1/sending-rules/", json={"caps": caps}).status_code == 200
        assert requested(connection) == [(1, 0), (2, 0)]
        execute(connection, "DELETE FROM reschedule")
    assert api.put("/v1/sending-rules/", json={"caps": [], "requires_consent": True}).status_code == 200
    assert requested(connection) == []
