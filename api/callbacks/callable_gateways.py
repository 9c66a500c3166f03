"""The gateways whose providers may call, kept in memory: a forged callback costs no query."""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import NamedTupleCursor

from api.callbacks.group_commit import GroupCommit
from shared.credentials import CredentialCipher, UnreadableCredentialsError
from shared.errors import ConfigurationError
from shared.gateways.base import Capabilities
from shared.gateways.callback_addresses import INBOUND, RECEIPTS, callback_url
from shared.gateways.registry import PROVIDERS
from shared.sql.gateways import READ_CALLABLE_GATEWAYS
from shared.sql.receipts import ESTIMATE_WAITING_RECEIPTS
from shared.stored_accounts import account_of

log = logging.getLogger(__name__)

REFRESH_AFTER: Final = 2.0
"""Seconds after which the gateways are read again, while callbacks go on."""

MAX_AGE: Final = 5.0
"""Seconds after which callbacks wait for that: a token that was replaced is not accepted longer."""

MISS_INTERVAL: Final = 1.0
"""Seconds between two reads for addresses that are none: a gateway may be new."""

NO_TOKEN: Final = secrets.token_hex(32).encode()
"""Compared instead, so that an unknown gateway takes as long as a wrong token."""


@dataclass(frozen=True, slots=True)
class CallableGateway:
    """A gateway, and the adapter that reads its callbacks."""

    id: int
    name: str
    kinds: frozenset[str]
    """Which callbacks its provider makes: RECEIPTS, INBOUND."""
    adapter: Any
    """None if its account cannot be used."""
    secrets: tuple[str, ...]
    """What is masked in what is kept of callbacks."""
    token: bytes


class CallableGateways:
    """The gateways by name, as they were a few seconds ago. For one event loop."""

    def __init__(self, commits: GroupCommit, cipher: CredentialCipher, public_url: str) -> None:
        self._commits = commits
        self._cipher = cipher
        self._public_url = public_url
        self._by_name: dict[str, CallableGateway] = {}
        self._by_revision: dict[tuple[int, int, str], CallableGateway] = {}
        self._read_at = -math.inf
        self._forgotten = 0
        """How often the gateways were to be read again at once."""
        self._reading: asyncio.Task[None] | None = None
        self.receipts_waiting = 0
        """About how many receipts wait to be applied."""

    async def find(self, kind: str, name: str, token: str) -> CallableGateway | None:
        """The gateway with this token whose provider makes such callbacks. Raises DatabaseUnavailableError.

        A paused one is found, a removed one is not.
        """
        if self._age() <= MAX_AGE:
            return self.find_now(kind, name, token)
        await self._refresh()
        return self._match(kind, name, token)

    def find_now(self, kind: str, name: str, token: str) -> CallableGateway | None:
        """The same without a wait. None also if the gateways have to be read first."""
        age = self._age()
        if age > REFRESH_AFTER:
            self._begin_refresh()
        return self._match(kind, name, token) if age <= MAX_AGE else None

    async def find_again(self, kind: str, name: str, token: str) -> CallableGateway | None:
        """The same after a miss, with gateways that are at most MISS_INTERVAL old."""
        if self._age() > MISS_INTERVAL:
            await self._refresh()
        return self._match(kind, name, token)

    def forget(self) -> None:
        """Has the gateways read again before the next callback. From any thread."""
        self._forgotten += 1
        self._read_at = -math.inf

    def _match(self, kind: str, name: str, token: str) -> CallableGateway | None:
        gateway = self._by_name.get(name)
        fits = hmac.compare_digest(gateway.token if gateway else NO_TOKEN, token.encode("utf-8", "replace"))
        return gateway if gateway is not None and fits and kind in gateway.kinds else None

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._read_at

    async def _refresh(self) -> None:
        await asyncio.shield(self._begin_refresh())
        if self._age() > MAX_AGE:  # forgotten while they were read
            await asyncio.shield(self._begin_refresh())

    def _begin_refresh(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())
            self._reading.add_done_callback(self._has_read)
        return self._reading

    def _has_read(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # raised to the callbacks that wait for it; here it is only marked as seen

    async def _read(self) -> None:
        begun_at, forgotten = asyncio.get_running_loop().time(), self._forgotten
        rows, self.receipts_waiting = await self._commits.run(_read_rows)
        known = self._by_revision
        self._by_revision = {
            key: known.get(key) or self._callable(row)
            for row in rows
            if (key := (row.id, row.revision, row.callback_token))
        }
        self._by_name = {gateway.name: gateway for gateway in self._by_revision.values()}
        self._read_at = begun_at
        if forgotten != self._forgotten:  # compared after the assignment: it may be forgotten between the two
            self._read_at = -math.inf

    def _callable(self, row: Any) -> CallableGateway:
        provider = PROVIDERS.get(row.provider)
        capabilities = provider.capabilities if provider else Capabilities()
        adapter: Any = None
        credentials: Mapping[str, str] = {}
        try:
            if provider:
                url = callback_url(self._public_url, RECEIPTS, row.name, row.callback_token)
                account = account_of(row, provider, self._cipher, url)
                credentials = account.credentials
                adapter = provider.make(account)
                # Of a declared contract, they are the account's.
                capabilities = adapter.capabilities
        except (ConfigurationError, UnreadableCredentialsError) as error:
            log.warning("callback.gateway_unusable", extra={"gateway": row.name, "error": str(error)})
        makes = {RECEIPTS: capabilities.receipts, INBOUND: capabilities.inbound}
        kinds = frozenset(kind for kind, does in makes.items() if does)
        secrets_of = (row.callback_token, *credentials.values())
        return CallableGateway(row.id, row.name, kinds, adapter, secrets_of, row.callback_token.encode())


def _read_rows(connection: Connection) -> tuple[list[Any], int]:
    with connection.cursor(cursor_factory=NamedTupleCursor) as cursor:
        cursor.execute(READ_CALLABLE_GATEWAYS)
        rows = cursor.fetchall()
        cursor.execute(ESTIMATE_WAITING_RECEIPTS)
        waiting: Any = cursor.fetchone()
        return rows, int(waiting.receipts)
