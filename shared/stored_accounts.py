"""Accounts of gateways as they are stored: for workers, which submit, and for the API, which reads callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.credentials import CredentialCipher
from shared.gateways.base import Account, Provider


class StoredAccount(Protocol):
    """The columns of a gateway that are its account."""

    @property
    def address(self) -> str: ...

    @property
    def sender(self) -> str: ...

    @property
    def credentials(self) -> str | None:
        """Encrypted."""

    @property
    def options(self) -> Mapping[str, str]: ...


def account_of(row: StoredAccount, provider: Provider, cipher: CredentialCipher, receipt_url: str) -> Account:
    """The account of a gateway, decrypted. Raises UnreadableCredentialsError."""
    return Account(
        address=row.address.rstrip("/") or provider.address,
        sender=row.sender,
        credentials=cipher.decrypt(row.credentials) if row.credentials else {},
        options=row.options,
        receipt_url=receipt_url,
    )
