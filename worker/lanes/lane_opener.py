"""Opens lanes: from a gateway's row and this worker's settings."""

from __future__ import annotations

import threading
from dataclasses import replace
from random import Random
from typing import cast

from shared.credentials import UnreadableCredentialsError
from shared.errors import ConfigurationError
from shared.gateways.base import DEFAULT_GATEWAY_ID, Adapter, AdapterWithLookUp
from shared.gateways.registry import PROVIDERS
from worker.claimed_message import MessageGateway
from worker.database import Database
from worker.gateway_token import Token
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.concurrency_limit import INITIAL_LIMIT
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.gateway_clients import GatewayClients
from worker.lanes.http_sender import HttpSender
from worker.lanes.lane import Lane
from worker.lanes.lane_set import GatewayRow, LaneSet
from worker.open_claims import OpenClaims
from worker.queue import Queue
from worker.settings import WorkerSettings
from worker.spending import Pricing

LOOK_UP_AFTER = 60.0
"""Seconds until a gateway may be asked whose settings cannot be read now."""


class LaneOpener:
    """Opens the lanes of one worker. For one thread."""

    def __init__(
        self,
        settings: WorkerSettings,
        database: Database,
        token: Token | None,
        wake: threading.Event,
        random: Random,
    ) -> None:
        """`token` is that of GATEWAY_URL, if there is one.

        Raises ConfigurationError for a setting that cannot be used, so that a worker does not start with it.
        """
        self._settings = settings
        self._database = database
        self._token = token
        self._wake = wake
        self._random = random
        self._clients = GatewayClients(settings)
        self._open_claims = OpenClaims()
        self.lanes: LaneSet | None = None
        """The lanes of the worker, once there are any."""
        if settings.gateway_url is not None and token is not None:
            self._clients.of_environment(settings.gateway_url, token)

    def open(self, row: GatewayRow) -> Lane | None:
        """The lane of a gateway; None for the gateway `default` if GATEWAY_URL names none.

        Raises ConfigurationError for settings of the gateway that cannot be used, and UnreadableCredentialsError.
        """
        if row.id == DEFAULT_GATEWAY_ID:
            url, token = self._settings.gateway_url, self._token
            if url is None or token is None:
                return None
            client, adapter = self._clients.of_environment(url, token)
            return self._lane(row, client, adapter, self._settings.gateway_rate, token)
        client, adapter = self._clients.of_row(row)
        return self._lane(row, client, adapter, row.rate)

    def describe(self, row: GatewayRow) -> MessageGateway:
        """What has to be known of a gateway to reclaim leases of messages that it may have.

        Also of one that is paused or cannot be used: those messages wait until it can be asked.
        """
        try:
            _, adapter = self._clients.adapter(row)
        except (ConfigurationError, UnreadableCredentialsError):
            provider = PROVIDERS.get(row.provider)
            if provider is None:
                return MessageGateway(row.name)
            looks_up, deduplicates = provider.capabilities.looks_up, provider.capabilities.deduplicates
            return MessageGateway(
                row.name,
                deduplicates,
                LOOK_UP_AFTER if looks_up else None,
                receipts=row.receipts,
                polls=row.polls_receipts and provider.capabilities.polls,
                no_receipt_prefixes=tuple(row.no_receipt_prefixes),
            )
        return _message_gateway(row, adapter)

    def _lane(
        self, row: GatewayRow, client: GatewayClient, adapter: Adapter, rate: float, token: Token | None = None
    ) -> Lane:
        settings = self._settings
        concurrency = min(row.concurrency or settings.concurrency, settings.concurrency)
        limiter = FleetRateLimiter(rate, row.name) if rate else None
        gateway = _message_gateway(row, adapter)
        queue = Queue(
            self._database,
            worker=settings.name,
            lease_seconds=settings.lease_seconds,
            request_timeout=settings.gateway_timeout,
            retries=settings.retries,
            random=self._random,
            rate_limiter=limiter,
            gateway=gateway,
            gateway_id=row.id,
            open_claims=self._open_claims,
            pricing=_pricing(row, adapter, settings),
            opt_out_url=settings.opt_out_url,
        )
        lane = Lane(
            gateway=gateway,
            queue=queue,
            sender=HttpSender(client, min(INITIAL_LIMIT, concurrency), self._wake),
            breaker=CircuitBreaker(concurrency, self._random, prefetch=limiter.slots_ahead if limiter else None),
            token=token,
            segments=adapter.segments,
            segment_price=row.segment_price,
            claimed_elsewhere=lambda: 0 if self.lanes is None else self.lanes.in_flight - lane.in_flight,
        )
        return lane


def _pricing(row: GatewayRow, adapter: Adapter, settings: WorkerSettings) -> Pricing | None:
    if row.segment_price is not None and row.currency is not None:
        return Pricing(adapter.segments, row.segment_price, row.currency)
    if settings.price_per_segment:
        return Pricing(adapter.segments, settings.price_per_segment, settings.price_currency)
    return None


def _message_gateway(row: GatewayRow, adapter: Adapter) -> MessageGateway:
    capabilities = adapter.capabilities
    gateway = MessageGateway(
        row.name,
        capabilities.deduplicates,
        receipts=row.receipts,
        polls=row.polls_receipts and capabilities.polls,
        no_receipt_prefixes=tuple(row.no_receipt_prefixes),
    )
    if not capabilities.looks_up:
        return gateway
    asked = cast(AdapterWithLookUp, adapter)
    return replace(gateway, look_up_after=asked.look_up_after, look_up_within=asked.look_up_within)
