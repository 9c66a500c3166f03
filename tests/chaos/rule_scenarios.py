"""Short scenarios of what forbids or postpones messages: suppressions, local windows, caps."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import cycle
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.api_users import ApiUsers
from tests.chaos.scenario import Scenario
from tests.factories import add_mailing, begin_launch, execute, rows, value

ZONE = "Europe/Moscow"
"""Of the clients that a scenario adds."""
DAY = 86_400.0

CAPPED = "INSERT INTO message_cap (messages, period_hours) VALUES (1, 1)"
UNDECIDED = "SELECT count(*) FROM message WHERE mailing_id = %s AND status = 'pending' AND reason_code IS NULL"
LAUNCH = """
INSERT INTO message (mailing_id, client_id, phone_number, due_at)
SELECT %s, id, phone_number, now() FROM client WHERE tag = %s ORDER BY id
"""


def suppressions(scenario: Scenario) -> None:
    """Numbers are suppressed as their messages become due, are on their way and are tried again, and some before."""
    gateway = scenario.environment.gateway
    gateway.faults(latency=0.3, reset_after_accept=0.3, statuses={503: 0.4}, seed=7)
    scenario.start_api()
    scenario.start(scenario.first, scenario.second)
    mailing_id = scenario.add_launched(60, 4.0)
    phones = [
        row[0] for row in rows(scenario.api, "SELECT phone_number FROM message WHERE mailing_id = %s", mailing_id)
    ]
    users = ApiUsers(scenario.environment.api_url)
    for phone_number in phones[-8:]:
        _suppress(users, phone_number, "everything")
    for phone_number, scope in zip(phones[:-8], cycle(("gateway", "everything", "gateway", "marketing")), strict=False):
        _suppress(users, phone_number, scope)
        time.sleep(0.04)
    users.close()
    gateway.faults()


def local_windows(scenario: Scenario) -> None:
    """Of two mailings whose messages are due, one has a local window that opens in three days."""
    today = datetime.now(ZoneInfo(ZONE)).weekday()
    scenario.start(scenario.first, scenario.second)
    all_day: dict[str, Any] = {"local_from": 0, "local_until": 1440}
    closed = scenario.add_launched(10, 0.5, ends_in=5 * DAY, **all_day, local_weekdays=1 << (today + 3) % 7)
    scenario.add_launched(10, 0.5, ends_in=5 * DAY, **all_day, local_weekdays=127)
    scenario.until(lambda: value(scenario.api, UNDECIDED, closed) == 0)
    time.sleep(0.3)
    scenario.set_status(closed, "cancelled")


def local_window_closes(scenario: Scenario) -> None:
    """A local window closes while claimed messages wait for a slow gateway. It begins before the next full minute."""
    scenario.environment.gateway.faults(latency=1.2)
    scenario.start(scenario.first)
    time.sleep((59.0 - time.time()) % 60)
    local = datetime.now(ZoneInfo(ZONE))
    minute = local.hour * 60 + local.minute
    window: dict[str, Any] = {"local_from": max(0, minute - 5), "local_until": minute + 1, "local_weekdays": 127}
    scenario.add_launched(40, 2.0, ends_in=30.0, **window)


def caps(scenario: Scenario) -> None:
    """Mailings to the same clients, who may get one message in an hour, run at once; some messages are refused.

    Both workers must claim messages to the same clients at the same moment, which not every pair of mailings brings.
    """
    execute(scenario.api, CAPPED)
    scenario.environment.gateway.faults(latency=0.05, statuses={400: 0.2}, seed=7)
    tags = [scenario.add_audience(8) for _ in range(40)]
    scenario.start(scenario.first, scenario.second)
    for tag in tags:
        with scenario.at_once() as connection:
            for over_cap in ("wait", "cancel"):
                mailing_id = add_mailing(connection, mark=tag, ends_in=60.0, over_cap=over_cap)
                begin_launch(connection, mailing_id)
                execute(connection, LAUNCH, mailing_id, tag)
                execute(connection, "UPDATE mailing SET launched_at = now(), audience = 8 WHERE id = %s", mailing_id)
        time.sleep(0.2)


def _suppress(users: ApiUsers, phone_number: int, scope: str) -> None:
    body = {
        "phone_number": phone_number,
        "scope": scope,
        "gateway": "default" if scope == "gateway" else None,
        "reason": "opted_out",
    }
    users.call("POST", "/v1/suppression/create/", body).result()
