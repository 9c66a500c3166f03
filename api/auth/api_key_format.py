"""The format of an API key, and the hash that is stored of it.

`gonets_<prefix>_<secret>`: the prefix is public and identifies the key; the secret is 256 random bits. Only the SHA-256
of the whole key is stored. A fast hash is sufficient: slow hashes (OWASP, Password Storage Cheat Sheet) protect secrets
that people choose, and 256 random bits cannot be guessed.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from typing import NamedTuple

PREFIX_BYTES, SECRET_BYTES = 6, 32
_KEY = re.compile(f"gonets_([0-9a-f]{{{2 * PREFIX_BYTES}}})_[0-9a-f]{{{2 * SECRET_BYTES}}}")


class NewKey(NamedTuple):
    """A key that was just made."""

    key: str
    """To be shown once."""
    prefix: str
    key_hash: bytes


def make_key() -> NewKey:
    """A new key, from the system's source of randomness."""
    prefix = secrets.token_hex(PREFIX_BYTES)
    key = f"gonets_{prefix}_{secrets.token_hex(SECRET_BYTES)}"
    return NewKey(key, prefix, hash_of(key))


def prefix_of(key: str) -> str | None:
    """The prefix of a well-formed key; None for any other text."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def hash_of(secret: str) -> bytes:
    """The stored hash of a randomly generated secret."""
    return hashlib.sha256(secret.encode()).digest()


@functools.lru_cache(maxsize=8)
def fingerprint(chosen: str) -> str:
    """48 bits that identify a secret. Computed slowly (scrypt, RFC 7914), since a person may have chosen it."""
    return hashlib.scrypt(chosen.encode(), salt=b"gonets", n=2**14, r=8, p=1, dklen=6).hex()
