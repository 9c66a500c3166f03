"""Makes the clients of gateways: from a gateway's row, this worker's settings and the decrypted credentials."""

from __future__ import annotations

from collections.abc import Callable

from shared.credentials import CredentialCipher
from shared.gateways import gonets
from shared.gateways.allowed_addresses import forbidden_address
from shared.gateways.base import Account, Adapter
from shared.gateways.callback_addresses import RECEIPTS, callback_url
from shared.gateways.registry import provider_named
from shared.stored_accounts import account_of
from worker.gateway_token import Token, TokenCredentials
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.lane_set import GatewayRow
from worker.settings import WorkerSettings


class GatewayClients:
    """Makes clients, each for one thread."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._cipher = CredentialCipher.from_environment()

    def of_environment(self, url: str, token: Token) -> tuple[GatewayClient, Adapter]:
        """The client of GATEWAY_URL. Raises ConfigurationError for a setting that cannot be used."""
        account = Account(address=url.rstrip("/"), credentials=TokenCredentials(token))
        adapter = gonets.PROVIDER.make(account)
        return self._client(account.address, adapter, ca_file=self._settings.gateway_ca_file), adapter

    def of_row(self, row: GatewayRow) -> tuple[GatewayClient, Adapter]:
        """The client of a gateway of the database. Raises as `adapter`."""
        address, adapter = self.adapter(row)
        return self._client(address, adapter, is_forbidden=self._is_forbidden, setting="address"), adapter

    def adapter(self, row: GatewayRow) -> tuple[str, Adapter]:
        """The address and the adapter of a gateway of the database.

        Raises ConfigurationError for settings of the gateway that cannot be used, and UnreadableCredentialsError.
        """
        provider = provider_named(row.provider)
        url = callback_url(self._settings.public_url, RECEIPTS, row.name, row.callback_token) if row.receipts else ""
        account = account_of(row, provider, self._cipher, url)
        return account.address, provider.make(account)

    def _is_forbidden(self, address: str) -> bool:
        return forbidden_address(address, self._settings.gateway_networks)

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
