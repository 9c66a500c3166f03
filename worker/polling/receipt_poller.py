"""Asking providers for the deliveries of messages that are awaited. What they say is queued, as callbacks are."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.credentials import UnreadableCredentialsError
from shared.errors import ConfigurationError
from shared.gateways.base import SentMessage
from shared.gateways.receipt_rows import receipt_rows
from shared.sql import receipts, routing
from worker.database import Database
from worker.lanes.fleet_rate_limiter import FleetRateLimiter, Slot
from worker.lanes.gateway_clients import GatewayClients
from worker.lanes.lane_set import GatewayRow
from worker.parameters import bigints
from worker.polling.poll_client import PollClient, PollError
from worker.rows import fetch_all, fetch_one

log = logging.getLogger(__name__)

RATE_SHARE = 0.1
"""Share of a gateway's rate limit that the polls of one worker take at most: messages come first."""

FIRST_REST = 60.0
LONGEST_REST = 900.0
"""Seconds for which a gateway is not asked after a failure: doubled by each failure in a row, up to the longest. Not
longer, so that a repair takes effect."""

Item = TypeVar("Item")


class BatchRow(NamedTuple):
    """A row of TAKE_TO_POLL."""

    id: int
    gateway_id: int
    name: str
    polled: bool
    """Whether its gateway is asked for deliveries, as it is set now."""
    message_ids: list[int]


class _Gateway:
    """A gateway that is asked, with the revision of its settings."""

    def __init__(self, row: GatewayRow, client: PollClient) -> None:
        self.revision = row.revision
        self.client = client
        self.pause = 1.0 / (row.rate * RATE_SHARE) if row.rate else 0.0
        """Seconds between two polls."""
        self.limiter = FleetRateLimiter(row.rate, row.name) if row.rate else None


class ReceiptPoller:
    """Asks for deliveries. For one thread."""

    def __init__(self, database: Database, clients: GatewayClients, stop: threading.Event) -> None:
        self._database = database
        self._clients = clients
        self._stop = stop
        self._gateways: dict[int, _Gateway] = {}
        self._failures: dict[int, int] = {}
        """Failures in a row, by the gateway's id."""
        self._resting: dict[int, float] = {}
        """Until when a gateway is not asked, by the monotonic clock."""

    def run(self) -> bool:
        """Asks for the messages of one batch. Returns whether there was one."""
        now = time.monotonic()
        self._resting = {gateway_id: until for gateway_id, until in self._resting.items() if until > now}
        taken = self._database.transaction(self._take)
        if taken is None:
            return False
        batch, messages, row = taken
        if messages and row is not None:
            try:
                self._poll(batch, messages, self._gateway(row))
            except PollError as error:
                self._rest(batch, str(error), error.status, error.seconds)
            except (ConfigurationError, UnreadableCredentialsError) as error:
                self._rest(batch, type(error).__name__)
            except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
                # A bug of an adapter. Only the traceback: the message may quote the answer.
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("receipts.poll_error", extra={"gateway": batch.name, "where": where})  # noqa: TRY400
                self._rest(batch, type(error).__name__)
            else:
                self._failures.pop(batch.gateway_id, None)
        return True

    def close(self) -> None:
        """Closes all connections."""
        for gateway in self._gateways.values():
            gateway.client.close()
        self._database.close()

    def _take(self, cursor: Cursor) -> tuple[BatchRow, list[SentMessage], GatewayRow | None] | None:
        cursor.execute(receipts.TAKE_TO_POLL, {"resting": bigints(self._resting)})
        batch = fetch_one(cursor, BatchRow)
        if batch is None:
            return None
        given = {"ids": bigints(batch.message_ids), "name": batch.name, "gateway_id": batch.gateway_id}
        cursor.execute(receipts.READ_AWAITED, given)
        messages = fetch_all(cursor, SentMessage) if batch.polled else []
        if not messages:
            cursor.execute(receipts.STOP_POLLS, {"id": batch.id})
            return batch, [], None
        cursor.execute(routing.READ_GATEWAYS)
        rows = fetch_all(cursor, GatewayRow)
        return batch, messages, next((row for row in rows if row.id == batch.gateway_id), None)

    def _gateway(self, row: GatewayRow) -> _Gateway:
        known = self._gateways.get(row.id)
        if known is not None and known.revision == row.revision:
            return known
        client, adapter = self._clients.of_row(row)
        if not adapter.capabilities.polls:
            raise ConfigurationError("This provider cannot be asked for deliveries.")
        if known is not None:
            known.client.close()
        self._gateways[row.id] = _Gateway(row, PollClient(client, adapter, lambda: not self._stop.is_set()))
        return self._gateways[row.id]

    def _poll(self, batch: BatchRow, messages: Sequence[SentMessage], gateway: _Gateway) -> None:
        """Raises PollError after what was asked before has been queued."""
        asked = received = 0
        for group in _groups(messages, gateway.client.limit):
            begun = self._wait_for_slot(gateway)
            if self._stop.is_set():
                break
            polled = gateway.client.ask(group)
            asked += len(group)
            if polled and polled.receipts:
                rows = receipt_rows(batch.gateway_id, polled.receipts, secrets=polled.secrets)
                self._database.transaction(partial(_add, rows))
                received += len(polled.receipts)
            self._stop.wait(begun + gateway.pause - time.monotonic())
        log.debug("receipts.polled", extra={"gateway": batch.name, "messages": asked, "receipts": received})

    def _wait_for_slot(self, gateway: _Gateway) -> float:
        """Waits until a request may start by the gateway's rate limit. Returns the monotonic time."""
        limiter = gateway.limiter
        while limiter is not None and not self._stop.is_set():
            slot = self._database.transaction(partial(_next_slot, limiter))
            if slot is None:
                self._stop.wait(max(0.01, limiter.resume_at - time.monotonic()))
                continue
            self._stop.wait(max(0.0, slot.begins - time.monotonic()))
            if time.monotonic() < slot.ends:
                break
        return time.monotonic()

    def _rest(self, batch: BatchRow, why: str, status: int | None = None, seconds: float = 0.0) -> None:
        if self._stop.is_set():
            return  # a request that was not allowed to leave any more
        failures = self._failures[batch.gateway_id] = self._failures.get(batch.gateway_id, 0) + 1
        rest = min(max(FIRST_REST * 2 ** (min(failures, 10) - 1), seconds), LONGEST_REST)
        self._resting[batch.gateway_id] = time.monotonic() + rest
        extra = {"gateway": batch.name, "provider_code": status, "error": why, "seconds": round(rest)}
        log.warning("receipts.poll_failed", extra=extra)


def _add(rows: str, cursor: Cursor) -> None:
    cursor.execute(receipts.ADD_RECEIPTS, {"receipts": rows})


def _next_slot(limiter: FleetRateLimiter, cursor: Cursor) -> Slot | None:
    slots = limiter.take(cursor, min(1, limiter.free_slots(cursor)))
    return slots[0] if slots else None


def _groups(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[at : at + size] for at in range(0, len(items), size))
