"""Pauses, cancellations and earlier ends that come while messages wait in a worker's hands for a gateway gone slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.acceptance.worker_fleet import Fleet
from tests.factories import add_running_mailing, cancel, change_mailing, close_window, counted, mailing, value
from tests.fault_proxy import FaultProxy
from tests.raw_server import Peer, RawServer, response
from tests.waiting import eventually
from worker.lanes.send_permits import VALID_SECONDS

MESSAGES = 40
CONCURRENCY = 4
LONG = {"GATEWAY_TIMEOUT": 100, "GATEWAY_CONNECT_TIMEOUT": 50, "LEASE_SECONDS": 300}
"""Nothing times out, and no lease keeps what is claimed from leaving."""


class Slow:
    """A gateway that answers nothing until it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.server = RawServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        while peer.read_request():
            while not self.may_answer.wait(0.05) and not peer.closing.is_set():
                pass
            peer.send(response())

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def slow() -> Iterator[Slow]:
    gateway = Slow()
    with gateway.server:
        yield gateway
        gateway.may_answer.set()


def send_first_message(connection: Connection, slow: Slow) -> None:
    """Has a worker send one message that is answered at once: a gateway that it does not know gets one alone."""
    mailing_id = add_running_mailing(connection, 1)
    slow.may_answer.set()
    eventually(lambda: counted(connection, mailing_id) == {"sent": 1})
    slow.may_answer.clear()
    slow.server.requests.clear()


def held(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sending'"))


def pause(connection: Connection, mailing_id: int) -> None:
    change_mailing(connection, mailing_id, "status = 'paused'")


def end_earlier(connection: Connection, mailing_id: int) -> None:
    close_window(connection, mailing_id)


@pytest.fixture
def waiting(connection: Connection, fleet: Fleet, slow: Slow) -> int:
    """A mailing of whose messages some are at the gateway and others are claimed and wait."""
    fleet.start(GATEWAY_URL=slow.server.url, WORKER_CONCURRENCY=CONCURRENCY, **LONG)
    send_first_message(connection, slow)
    mailing_id = add_running_mailing(connection, MESSAGES)
    eventually(lambda: slow.asked == CONCURRENCY and held(connection) > CONCURRENCY)
    return mailing_id


@pytest.mark.parametrize("change", [pause, cancel, end_earlier])
def test_claims_not_yet_submitted_are_released_and_only_submitted_ones_are_sent(
    change: object, waiting: int, connection: Connection, slow: Slow
) -> None:
    assert callable(change)
    change(connection, waiting)

    eventually(lambda: held(connection) == CONCURRENCY)
    slow.may_answer.set()
    eventually(lambda: held(connection) == 0)

    assert slow.asked == CONCURRENCY
    assert counted(connection, waiting)["sent"] == CONCURRENCY
    # As if they had not been claimed.
    attempted = "SELECT count(*) FROM message WHERE mailing_id = %s AND attempts > 0"
    assert value(connection, attempted, waiting) == CONCURRENCY


def test_what_is_released_by_a_pause_is_sent_after_it(waiting: int, connection: Connection, slow: Slow) -> None:
    pause(connection, waiting)
    eventually(lambda: held(connection) == CONCURRENCY)
    slow.may_answer.set()
    change_mailing(connection, waiting, "status = 'running'")

    eventually(lambda: mailing(connection, waiting)["settled_at"])

    assert counted(connection, waiting) == {"sent": MESSAGES}
    assert slow.asked == MESSAGES


def test_a_worker_that_cannot_ask_the_database_starts_nothing(
    connection: Connection, clean_database: str, fleet: Fleet, slow: Slow
) -> None:
    with FaultProxy(clean_database) as proxy:
        fleet.start(DATABASE_URL=proxy.url, GATEWAY_URL=slow.server.url, WORKER_CONCURRENCY=CONCURRENCY, **LONG)
        send_first_message(connection, slow)
        mailing_id = add_running_mailing(connection, MESSAGES)
        eventually(lambda: slow.asked == CONCURRENCY and held(connection) > CONCURRENCY)

        proxy.drop_data()
        cancel(connection, mailing_id)
        time.sleep(VALID_SECONDS + 0.1)
        slow.may_answer.set()
        time.sleep(1.0)
        assert slow.asked == CONCURRENCY

        proxy.restore()
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])
    assert slow.asked == CONCURRENCY
    assert counted(connection, mailing_id) == {"sent": CONCURRENCY, "cancelled": MESSAGES - CONCURRENCY}
