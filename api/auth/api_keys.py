"""What a key looks like, and what is kept of it.

`gonets_<prefix>_<secret>`: everybody may see the prefix, which tells one key from another; the secret is 256 random
bits. Of the whole, its SHA-256 is kept and nothing else. A fast hash is right here: slow ones (OWASP, Password Storage
Cheat Sheet) make up for what people choose, and nobody guesses 256 bits however fast a guess is.
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
    """The prefix of what looks like a key; none for what doesn't."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def hash_of(secret: str) -> bytes:
    """What is kept of a secret that was drawn at random."""
    return hashlib.sha256(secret.encode()).digest()


@functools.lru_cache(maxsize=8)
def fingerprint(chosen: str) -> str:
    """48 bits to recognise a secret by that a person may have chosen, so slow to guess it from (RFC 7914)."""
    return hashlib.scrypt(chosen.encode(), salt=b"gonets", n=2**14, r=8, p=1, dklen=6).hex()
