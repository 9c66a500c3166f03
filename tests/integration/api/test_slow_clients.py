"""Callers who send or read slowly keep nobody else waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from json import loads

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import execute
from tests.integration.api.calls import API_KEY
from tests.integration.api.running_server import START_PATIENCE, Served, served
from tests.slow_clients import SlowClients, Watch, kinds

EACH = 30
"""Connections of each kind: 210 in all, where eight were enough to stop everything."""
DURATION = 8.0
BOUND = 1.0
"""Seconds within which health is answered, beyond what the same takes where nobody is slow."""
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CLIENTS = 30_000
"""So many that an export fills every buffer on its way."""


@pytest.mark.usefixtures("clean_database")
def test_health_is_answered_while_two_hundred_slow_clients_hold_on(database_url: str, connection: Connection) -> None:
    execute(
        connection,
        "INSERT INTO client (phone_number, operator_code, tag, timezone)"
        " SELECT 79000000000 + n, '900', repeat('v', 60), 'Europe/Moscow' FROM generate_series(1, %s) AS n",
        CLIENTS,
    )
    with ExitStack() as stack:
        api = stack.enter_context(served(database_url))
        # How long the same takes where nobody is slow says how busy this machine is.
        other_api = stack.enter_context(served(database_url))
        for running in (api, other_api):  # until its processes have begun to answer
            assert running.send(HEALTH).startswith(b"HTTP/1.1 200")
        calm = stack.enter_context(Watch(other_api.port, "/healthz", START_PATIENCE))
        watch = stack.enter_context(Watch(api.port, "/healthz", START_PATIENCE))
        stack.enter_context(SlowClients(api.port, kinds(API_KEY), EACH))
        time.sleep(DURATION)
    assert not watch.failures
    bound = BOUND + max(calm.seconds)
    # Of a server that they stop, none is in time; a machine that is busy with other things makes single ones late.
    assert sum(took < bound for took in watch.seconds) > 0.5 * len(watch.seconds)


@pytest.fixture(scope="module")
def impatient(database_url: str) -> Iterator[Served]:
    """The API, which waits for a second."""
    with served(database_url, API_STALL_TIMEOUT="1", API_WORKERS="1") as running:
        yield running


@pytest.mark.usefixtures("clean_database")
@pytest.mark.parametrize("kind", range(5))
def test_a_request_that_does_not_come_times_out(impatient: Served, kind: int) -> None:
    answer = impatient.send(kinds(API_KEY)[kind].begins)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert loads(answer.partition(b"\r\n\r\n")[2])["code"] == 408


def test_a_connection_on_which_nothing_comes_is_closed(impatient: Served) -> None:
    assert impatient.send(b"") == b""
