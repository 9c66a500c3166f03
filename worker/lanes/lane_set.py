"""The lanes of one worker: one for each gateway that is neither paused nor removed, as the database says.

A change of a gateway takes effect by a new lane: the old one starts no more requests, releases what waits, and is
dropped once its requests in flight have ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.credentials import UnreadableCredentialsError
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.errors import ConfigurationError
from shared.gateways.base import SubmitResult
from shared.gateways.sanitize import reason_of, redact
from shared.sql import routing
from worker.claimed_message import MessageGateway
from worker.database import Database
from worker.lanes.lane import Lane
from worker.rows import fetch_all
from worker.telemetry.status_reporter import LaneStatus

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""Seconds between two readings of the gateways and paths while the worker is busy. An idle one reads them at each
poll."""


class GatewayRow(NamedTuple):
    """A row of READ_GATEWAYS."""

    id: int
    name: str
    provider: str
    address: str
    sender: str
    options: Mapping[str, str]
    credentials: str | None
    """Encrypted."""
    rate: float
    """Requests a second of all workers together; 0 is no limit."""
    concurrency: int | None
    receipts: bool
    """Whether the provider is expected to report deliveries."""
    polls_receipts: bool
    """Whether the provider is to be asked for deliveries."""
    no_receipt_prefixes: list[str]
    callback_token: str
    segment_price: Decimal | None
    currency: str | None
    """Of the price."""
    revision: int
    paused: bool


class PathRow(NamedTuple):
    """A row of READ_PATHS."""

    id: int
    gateway_ids: list[int]
    gateway_id: int | None
    """The gateway that gets its messages now."""


class UnusableGateway(NamedTuple):
    """A gateway for which there can be no lane, and why."""

    name: str
    problem: SubmitResult


class LaneSet:
    """The lanes of one worker. For one thread; `gateways` may be read by others."""

    def __init__(
        self,
        database: Database,
        open_lane: Callable[[GatewayRow], Lane | None],
        describe: Callable[[GatewayRow], MessageGateway] = lambda row: MessageGateway(row.name),
    ) -> None:
        """`open_lane` makes the lane of a gateway, or None if this worker has no settings for it.

        It raises ConfigurationError or UnreadableCredentialsError for a gateway that cannot be used. `describe` tells
        of any gateway what has to be known of its messages.
        """
        self._database = database
        self._open_lane = open_lane
        self._describe = describe
        self._lanes: dict[int, tuple[int, Lane]] = {}
        """By the gateway's id: its revision and its lane."""
        self._draining: list[Lane] = []
        self._unusable: dict[int, tuple[int, UnusableGateway]] = {}
        self._read_at = -REFRESH_SECONDS
        self.gateways: dict[str, MessageGateway] = {}
        """By name: those that are or were in the database while this worker ran."""

    def __iter__(self) -> Iterator[Lane]:
        """The lanes, those included that only finish their requests."""
        return iter([*self.open, *self._draining])

    @property
    def open(self) -> Sequence[Lane]:
        """The lanes that submit messages. A copy, since another thread may read it during a change."""
        return [lane for _, lane in list(self._lanes.values())]

    @property
    def has_unanswered(self) -> bool:
        """Whether messages are claimed that have no result yet."""
        return any(lane.has_unanswered for lane in self)

    @property
    def in_flight(self) -> int:
        """Messages claimed and not recorded yet, in all lanes."""
        return sum(lane.in_flight for lane in self)

    @property
    def statuses(self) -> list[LaneStatus]:
        """The status of each gateway."""
        unusable = [unusable for _, unusable in list(self._unusable.values())]
        return [lane.status for lane in self.open] + [
            LaneStatus(gateway.name, GatewayHealth.MISCONFIGURED, 0, 0, gateway.problem) for gateway in unusable
        ]

    def refresh(self) -> None:
        """Reads the gateways and paths when that is due, and opens, replaces and closes lanes."""
        self._draining = [lane for lane in self._draining if lane.in_flight]
        if time.monotonic() - self._read_at < REFRESH_SECONDS:
            return
        gateways, paths = self._database.transaction(_read)
        self._read_at = time.monotonic()
        usable = {gateway.id: gateway for gateway in gateways if not gateway.paused}
        for gateway_id in self._lanes.keys() - usable.keys():
            self._close(gateway_id)
        for gateway_id in self._unusable.keys() - usable.keys():
            del self._unusable[gateway_id]
        for gateway in usable.values():
            self._update(gateway)
        for gateway in gateways:
            if gateway.name not in self.gateways:  # paused, or without a lane for another reason
                self.gateways[gateway.name] = self._describe(gateway)
        for gateway_id, (_, lane) in self._lanes.items():
            lane.set_paths(*paths_of(gateway_id, paths))

    def stop(self) -> None:
        """Starts no more requests, and releases the messages that wait."""
        for lane in self:
            lane.stop()

    def _update(self, gateway: GatewayRow) -> None:
        known = self._lanes.get(gateway.id) or self._unusable.get(gateway.id)
        if known is not None and known[0] == gateway.revision:
            return
        self._unusable.pop(gateway.id, None)
        try:
            lane = self._open_lane(gateway)
        except (ConfigurationError, UnreadableCredentialsError) as error:
            unreadable = isinstance(error, UnreadableCredentialsError)
            code = ReasonCode.CREDENTIALS_UNREADABLE if unreadable else ReasonCode.SETTINGS_INVALID
            problem = SubmitResult(Result.MISCONFIGURED, reason=reason_of(code, redact(str(error))))
            log.error("gateway.unusable", extra={"gateway": gateway.name, "error": str(error)})  # noqa: TRY400
            self._unusable[gateway.id] = gateway.revision, UnusableGateway(gateway.name, problem)
            lane = None
        if gateway.id in self._lanes:
            self._close(gateway.id)
        if lane is not None:
            self._lanes[gateway.id] = gateway.revision, lane
            self.gateways[gateway.name] = lane.gateway
            log.info("gateway.opened", extra={"gateway": gateway.name, "provider": gateway.provider})

    def _close(self, gateway_id: int) -> None:
        _, lane = self._lanes.pop(gateway_id)
        lane.stop()
        self._draining.append(lane)
        log.info("gateway.closed", extra={"gateway": lane.gateway.name})


def paths_of(gateway_id: int, paths: Sequence[PathRow]) -> tuple[list[int], list[int]]:
    """The ids of the paths that are assigned to a gateway now, and of those that would be if it were healthy.

    The second ones are for probes of a gateway that has been replaced by another one.
    """
    assigned = [path.id for path in paths if path.gateway_id == gateway_id]
    assigned_if_healthy = [path.id for path in paths if gateway_id in _up_to_present(path)]
    return assigned, assigned_if_healthy


def _up_to_present(path: PathRow) -> list[int]:
    """The gateways of a path from the first one to the one that gets its messages now."""
    ids = path.gateway_ids
    return ids[: ids.index(path.gateway_id) + 1] if path.gateway_id in ids else ids


def _read(cursor: Cursor) -> tuple[list[GatewayRow], list[PathRow]]:
    cursor.execute(routing.READ_GATEWAYS)
    gateways = fetch_all(cursor, GatewayRow)
    cursor.execute(routing.READ_PATHS)
    return gateways, fetch_all(cursor, PathRow)
