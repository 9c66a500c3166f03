"""The lanes of a worker follow the gateways of the database while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import UnreadableCredentialsError
from shared.domain.reasons import ReasonCode
from shared.domain.worker_status import GatewayHealth
from shared.errors import ConfigurationError
from shared.gateways.sanitize import WORDS_LIMIT
from tests.factories import add_gateway, execute, set_path
from tests.integration.worker.conftest import OpenDatabase
from worker.claimed_message import MessageGateway
from worker.lanes.lane import Lane
from worker.lanes.lane_set import GatewayRow, LaneSet
from worker.telemetry.status_reporter import LaneStatus


class FakeLane:
    """What a lane set uses of a lane."""

    def __init__(self, row: GatewayRow) -> None:
        self.row = row
        self.gateway = MessageGateway(row.name)
        self.in_flight = 0
        self.stopped = False
        self.paths: tuple[Any, ...] = ()
        self.status = LaneStatus(row.name, GatewayHealth.OK, 0, 1)

    def set_paths(self, *paths: Any) -> None:
        self.paths = paths

    def stop(self) -> None:
        self.stopped = True


class Opener:
    """Opens lanes, or fails as it is told to."""

    def __init__(self) -> None:
        self.opened: list[FakeLane] = []
        self.error: Exception | None = None

    def __call__(self, row: GatewayRow) -> Lane | None:
        if row.name == "not here":
            return None
        if self.error is not None:
            raise self.error
        self.opened.append(FakeLane(row))
        return cast(Lane, self.opened[-1])


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def lanes(open_database: OpenDatabase, opener: Opener) -> LaneSet:
    return LaneSet(open_database(), opener)


@pytest.fixture
def refresh(lanes: LaneSet) -> Callable[[], list[str]]:
    """Reads the gateways, as if the last reading had been a while ago; returns the names of the open lanes."""

    def refresh() -> list[str]:
        lanes._read_at = -1000.0
        lanes.refresh()
        return [lane.gateway.name for lane in lanes.open]

    return refresh


Refresh = Callable[[], list[str]]


def test_there_is_a_lane_for_each_gateway_that_is_neither_paused_nor_removed(
    connection: Connection, refresh: Refresh, lanes: LaneSet
) -> None:
    for name in ("second", "paused", "removed", "not here"):
        add_gateway(connection, name)
    execute(connection, "UPDATE gateway SET paused_at = now() WHERE name = 'paused'")
    execute(connection, "UPDATE gateway SET removed_at = now() WHERE name = 'removed'")

    assert refresh() == ["default", "second"]
    assert set(lanes.gateways) == {"default", "second", "paused", "not here"}  # not those that are removed
    assert [status.gateway for status in lanes.statuses] == ["default", "second"]


def test_a_change_replaces_the_lane_and_the_old_one_finishes_its_requests(
    connection: Connection, refresh: Refresh, lanes: LaneSet, opener: Opener
) -> None:
    refresh()
    [old] = opener.opened
    old.in_flight = 3
    assert refresh() == ["default"]
    assert len(opener.opened) == 1  # nothing has changed

    execute(connection, "UPDATE gateway SET revision = 2, concurrency = 7")
    refresh()
    new = opener.opened[1]
    assert (old.stopped, new.stopped, new.row.concurrency) == (True, False, 7)
    assert [cast(Lane, old) in list(lanes), lanes.in_flight] == [True, 3]
    assert cast(Lane, old) not in lanes.open

    old.in_flight = 0
    refresh()
    assert list(lanes) == [cast(Lane, new)]


def test_a_paused_gateway_has_no_lane_until_it_is_resumed(
    connection: Connection, refresh: Refresh, opener: Opener
) -> None:
    refresh()
    execute(connection, "UPDATE gateway SET paused_at = now(), revision = revision + 1")
    assert refresh() == []
    assert opener.opened[0].stopped

    execute(connection, "UPDATE gateway SET paused_at = NULL, revision = revision + 1")
    assert refresh() == ["default"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("address: must be an address"), ReasonCode.SETTINGS_INVALID),
        (UnreadableCredentialsError("there is no key"), ReasonCode.CREDENTIALS_UNREADABLE),
    ],
)
def test_a_gateway_that_cannot_be_used_is_reported_and_tried_again_after_a_change(
    error: Exception, code: ReasonCode, connection: Connection, refresh: Refresh, lanes: LaneSet, opener: Opener
) -> None:
    refresh()
    opener.error = error
    execute(connection, "UPDATE gateway SET revision = 2")

    assert refresh() == []
    assert opener.opened[0].stopped
    [status] = lanes.statuses
    assert (status.gateway, status.state) == ("default", GatewayHealth.MISCONFIGURED)
    assert status.problem is not None
    assert status.problem.reason is not None
    assert (status.problem.reason.code, str(error)) == (code, status.problem.words)

    opener.error = None
    assert refresh() == []
    execute(connection, "UPDATE gateway SET revision = 3")
    assert refresh() == ["default"]
    assert [status.state for status in lanes.statuses] == [GatewayHealth.OK]


def test_lanes_get_their_paths_at_each_reading(connection: Connection, refresh: Refresh, opener: Opener) -> None:
    second = add_gateway(connection, "second")
    refresh()
    assert [lane.paths for lane in opener.opened] == [([1, 2], [1, 2]), ([3], [3])]

    set_path(connection, 1, second)
    execute(connection, "UPDATE path SET gateway_id = %s WHERE id = 1", second)
    refresh()
    assert [lane.paths for lane in opener.opened] == [([2], [1, 2]), ([1, 3], [1, 3])]


def test_gateways_are_read_once_a_second_at_most(connection: Connection, lanes: LaneSet) -> None:
    lanes.refresh()
    add_gateway(connection, "second")
    lanes.refresh()

    assert [lane.gateway.name for lane in lanes.open] == ["default"]


def test_why_a_gateway_cannot_be_used_is_one_short_line(refresh: Refresh, lanes: LaneSet, opener: Opener) -> None:
    opener.error = ConfigurationError("\n".join(f"contract, line {line}: must be one of …" for line in range(1, 50)))

    assert refresh() == []
    [status] = lanes.statuses
    assert status.problem is not None
    words = status.problem.words or ""
    assert words.startswith("contract, line 1: ")
    assert words.isprintable()
    assert len(words) == WORDS_LIMIT
