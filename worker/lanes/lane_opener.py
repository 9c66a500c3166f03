"""Opens lanes: from a gateway's row, this worker's settings and the decrypted credentials."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import cast

from shared.credentials import CredentialCipher, UnreadableCredentialsError
from shared.errors import ConfigurationError
from shared.gateways import gonets
from shared.gateways.addresses import forbidden_address
from shared.gateways.base import DEFAULT_GATEWAY_ID, Account, Adapter, AdapterWithLookUp
from shared.gateways.registry import PROVIDERS, provider_named
from worker.claimed_message import MessageGateway
from worker.database import Database
from worker.gateway_token import Token, TokenCredentials
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.concurrency_limit import INITIAL_LIMIT
from worker.lanes.curl_sender import CurlSender
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.lane import Lane
from worker.lanes.lane_set import GatewayRow, LaneSet
from worker.open_claims import OpenClaims
from worker.queue import Queue
from worker.settings import WorkerSettings

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
        self._cipher = CredentialCipher.from_environment()
        self._allowed = settings.gateway_networks
        self._open_claims = OpenClaims()
        self.lanes: LaneSet | None = None
        """The lanes of the worker, once there are any."""
        if settings.gateway_url is not None and token is not None:
            self._client_of_environment(settings.gateway_url, token)

    def open(self, row: GatewayRow) -> Lane | None:
        """The lane of a gateway; None for the gateway `default` if GATEWAY_URL names none.

        Raises ConfigurationError for settings of the gateway that cannot be used, and UnreadableCredentialsError.
        """
        if row.id == DEFAULT_GATEWAY_ID:
            url, token = self._settings.gateway_url, self._token
            if url is None or token is None:
                return None
            client, adapter = self._client_of_environment(url, token)
            return self._lane(row, client, adapter, self._settings.gateway_rate, token)
        address, adapter = self._adapter(row)
        client = self._client(address, adapter, is_forbidden=self._is_forbidden, setting="address")
        return self._lane(row, client, adapter, row.rate)

    def describe(self, row: GatewayRow) -> MessageGateway:
        """What has to be known of a gateway to reclaim leases of messages that it may have.

        Also of one that is paused or cannot be used: those messages wait until it can be asked.
        """
        try:
            _, adapter = self._adapter(row)
        except (ConfigurationError, UnreadableCredentialsError):
            provider = PROVIDERS.get(row.provider)
            if provider is None:
                return MessageGateway(row.name)
            looks_up, deduplicates = provider.capabilities.looks_up, provider.capabilities.deduplicates
            return MessageGateway(row.name, deduplicates, LOOK_UP_AFTER if looks_up else None)
        return _message_gateway(row.name, adapter)

    def _adapter(self, row: GatewayRow) -> tuple[str, Adapter]:
        """The address and the adapter of a gateway of the database."""
        provider = provider_named(row.provider)
        account = Account(
            address=row.address.rstrip("/") or provider.address,
            sender=row.sender,
            credentials=self._cipher.decrypt(row.credentials) if row.credentials else {},
            options=row.options,
        )
        return account.address, provider.make(account)

    def _is_forbidden(self, address: str) -> bool:
        return forbidden_address(address, self._allowed)

    def _client_of_environment(self, url: str, token: Token) -> tuple[GatewayClient, Adapter]:
        account = Account(address=url.rstrip("/"), credentials=TokenCredentials(token))
        adapter = gonets.PROVIDER.make(account)
        return self._client(account.address, adapter, ca_file=self._settings.gateway_ca_file), adapter

    def _client(
        self,
        url: str,
        adapter: Adapter,
        *,
        ca_file: str | None = None,
        is_forbidden: Callable[[str], bool] | None = None,
        setting: str = "GATEWAY_URL",
    ) -> GatewayClient:
        settings = self._settings
        return GatewayClient(
            url,
            adapter,
            connect_timeout=settings.gateway_connect_timeout,
            timeout=settings.gateway_timeout,
            retry_after_cap=settings.retry_after_max_seconds,
            ca_file=ca_file,
            proxy=settings.gateway_proxy,
            is_forbidden=is_forbidden,
            setting=setting,
        )

    def _lane(
        self, row: GatewayRow, client: GatewayClient, adapter: Adapter, rate: float, token: Token | None = None
    ) -> Lane:
        settings = self._settings
        concurrency = min(row.concurrency or settings.concurrency, settings.concurrency)
        limiter = FleetRateLimiter(rate, row.name) if rate else None
        gateway = _message_gateway(row.name, adapter)
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
        )
        lane = Lane(
            gateway=gateway,
            queue=queue,
            sender=CurlSender(client, min(INITIAL_LIMIT, concurrency), concurrency, self._wake),
            breaker=CircuitBreaker(concurrency, self._random, prefetch=limiter.slots_ahead if limiter else None),
            token=token,
            segments=adapter.segments,
            segment_price=row.segment_price,
            claimed_elsewhere=lambda: 0 if self.lanes is None else self.lanes.in_flight - lane.in_flight,
        )
        return lane


def _message_gateway(name: str, adapter: Adapter) -> MessageGateway:
    capabilities = adapter.capabilities
    if not capabilities.looks_up:
        return MessageGateway(name, capabilities.deduplicates)
    asked = cast(AdapterWithLookUp, adapter)
    return MessageGateway(name, capabilities.deduplicates, asked.look_up_after, asked.look_up_within)
