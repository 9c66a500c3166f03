"""Keyed hashes of erased phone numbers.

HMAC-SHA256 (RFC 2104) over the digits of the number. The keys are derived from those of CREDENTIALS_KEY, which are not
in the database: without them, the hashes of all phone numbers that there are could be computed in minutes. A number is
hashed with the first key, and looked up under all of them (docs/adr/0044).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from flask import current_app

from shared.credentials import CredentialCipher

PURPOSE = b"gonets: hashes of erased phone numbers"
"""What the keys are derived for."""


class NumberHasher:
    """Computes hashes of phone numbers."""

    def __init__(self, cipher: CredentialCipher) -> None:
        # To copy one that has its key takes half the time of making one for each number.
        self._keyed = [HMAC(key, SHA256()) for key in cipher.derived_keys(PURPOSE)]

    @property
    def has_key(self) -> bool:
        """Whether there is a key. Without one, there are no hashes."""
        return bool(self._keyed)

    def first(self, phone_number: int) -> bytes:
        """The hash that is stored. Raises IndexError without a key."""
        return _hash(self._keyed[0], phone_number)

    def all(self, phone_number: int) -> list[bytes]:
        """The hashes that may have been stored, one for each key."""
        return [_hash(keyed, phone_number) for keyed in self._keyed]

    def by_hash(self, phone_numbers: Sequence[int]) -> dict[bytes, int]:
        """The phone numbers by all of their hashes."""
        return {_hash(keyed, number): number for keyed in self._keyed for number in phone_numbers}


def number_hasher() -> NumberHasher:
    """The hasher with the keys of the application."""
    return NumberHasher(current_app.config["CREDENTIAL_CIPHER"])


def _hash(keyed: HMAC, phone_number: int) -> bytes:
    computed = keyed.copy()
    computed.update(b"%d" % phone_number)
    return computed.finalize()
