"""Asks a provider for the deliveries of messages: one request at a time, over the client that also submits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, cast

from shared.gateways.base import Adapter, AdapterWithPolling, Receipt, SentMessage
from shared.gateways.retry_after import retry_after
from worker.http.connection import HttpConnection, perform
from worker.http.connector import ForbiddenAddressError, connect_now
from worker.lanes.gateway_client import Exchange, GatewayClient, words_of

BODY_LIMIT = 1024 * 1024
"""Bytes of a response that are read: it may be about a hundred messages."""

PAUSED_BY = frozenset({401, 402, 403, 429})
"""Statuses after which the gateway is not asked for a while, beside redirects and errors of the server."""


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
        self._connection: HttpConnection | None = None

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
        connection = self._usable_connection()
        if not self._may_leave():
            raise PollError("stopping")
        perform(connection, request, self._client.connector.timeouts.total)
        return self._read(connection.response, secrets)

    def close(self) -> None:
        """Closes its connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _usable_connection(self) -> HttpConnection:
        if self._connection is not None and self._connection.may_be_followed and self._connection.is_usable:
            return self._connection
        self.close()
        try:
            self._connection = HttpConnection(connect_now(self._client.connector), BODY_LIMIT)
        except ForbiddenAddressError:
            raise PollError("address_forbidden") from None
        except OSError as error:
            raise PollError(words_of(error)) from None
        return self._connection

    def _read(self, response: Exchange, secrets: tuple[str, ...]) -> Polled | None:
        status = response.status
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
