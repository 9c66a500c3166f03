"""Asks a provider for the deliveries of messages: one request at a time, over the client that also submits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, cast

import pycurl

from shared.gateways.base import Adapter, AdapterWithPolling, Receipt, SentMessage
from shared.gateways.retry_after import retry_after
from worker.lanes.gateway_client import GatewayClient, words_of

BODY_LIMIT = 1024 * 1024
"""Bytes of a response that are read: it may be about a hundred messages."""

PAUSED_BY = frozenset({401, 402, 403, 429})
"""Statuses after which the gateway is not asked for a while, beside redirects and errors of the server."""

TRIES = 2
"""Connections that a request is tried on at most: a reused one may turn out to be closed before it is sent."""


class PollError(Exception):
    """The provider did not answer as it should: it is not to be asked for a while. The message has no secrets."""

    def __init__(self, why: str, status: int | None = None, seconds: float = 0.0) -> None:
        """`seconds`: for how long at least, if the provider said so."""
        super().__init__(why)
        self.status = status
        self.seconds = seconds


class Polled(NamedTuple):
    """What a provider said."""

    receipts: list[Receipt]
    secrets: tuple[str, ...]
    """Parts of the request that must not be stored."""


class PollClient:
    """The poll client of one gateway. For one thread."""

    def __init__(self, client: GatewayClient, adapter: Adapter, may_leave: Callable[[], bool]) -> None:
        """`may_leave` is called right before a request leaves: not while the worker stops."""
        self._client = client
        self._adapter = cast(AdapterWithPolling, adapter)
        self._may_leave = may_leave
        self._transfer = client.transfer(BODY_LIMIT)

    @property
    def limit(self) -> int:
        """Messages in one request at most."""
        return self._adapter.poll_limit

    def ask(self, messages: Collection[SentMessage]) -> Polled | None:
        """The receipts of messages, at most `limit`; None if they cannot be asked for, or the provider knows nothing of
        them. Raises PollError.
        """
        prepared = self._client.prepare_poll(messages)
        if prepared is None:
            return None
        request, secrets = prepared
        for _ in range(TRIES):
            self._transfer.begin(request, self._may_leave)
            if self._transfer.end(self._perform()):
                break
        return self._read(secrets)

    def close(self) -> None:
        """Closes its connections."""
        self._transfer.close()

    def _perform(self) -> int:
        try:
            self._transfer.handle.perform()
        except pycurl.error as error:
            return int(error.args[0])
        return pycurl.E_OK

    def _read(self, secrets: tuple[str, ...]) -> Polled | None:
        response = self._transfer
        status = response.status
        if response.refused_address:
            raise PollError("address_forbidden")
        if status is None or response.error is not None:
            raise PollError(words_of(response.error), status)
        if status in PAUSED_BY or 300 <= status < 400 or status >= 500:
            raise PollError("refused", status, retry_after(response.headers, response.received_at) or 0.0)
        try:
            return Polled(self._adapter.read_poll(response), secrets)
        except ValueError as error:
            if status < 300:
                raise PollError("not_understood", status) from error
            return None
