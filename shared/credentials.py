"""Encryption of gateways' credentials at rest, with the keys of CREDENTIALS_KEY or CREDENTIALS_KEY_FILE.

The algorithm is Fernet (AES-128-CBC with HMAC-SHA256; cryptography.io, "Fernet"). There may be several keys: the first
one encrypts, all of them decrypt. So a key is replaced by adding a new one before it, re-encrypting everything
(`flask --app api rotate-credentials`), and removing the old one.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.config import environment
from shared.errors import ConfigurationError


class UnreadableCredentialsError(Exception):
    """None of the keys decrypts the stored credentials, or there is no key."""


class CredentialCipher:
    """Encrypts and decrypts credentials. Without a key it can do neither."""

    def __init__(self, keys: list[str], source: str = "CREDENTIALS_KEY") -> None:
        """Raises ConfigurationError, which names `source`, for a key that is none."""
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
        except ValueError:  # without the key in the message
            raise ConfigurationError(
                f"{source}: each key must be 32 bytes in URL-safe base64; "
                "`flask --app api make-credentials-key FILE` makes one."
            ) from None
        self._keys = [base64.urlsafe_b64decode(key) for key in keys]

    @classmethod
    def from_environment(cls) -> CredentialCipher:
        """The cipher with the keys of CREDENTIALS_KEY or CREDENTIALS_KEY_FILE, separated by white space or commas.

        Raises ConfigurationError if both are set, the file cannot be read, or a key is none.
        """
        with environment() as env:
            value, file = env.str("CREDENTIALS_KEY", ""), env.str("CREDENTIALS_KEY_FILE", "")
        if value and file:
            raise ConfigurationError("CREDENTIALS_KEY and CREDENTIALS_KEY_FILE are both set: set only one of them.")
        if not file:
            return cls(_split(value or ""))
        try:
            return cls(_split(Path(file).read_text(encoding="ascii")), "CREDENTIALS_KEY_FILE")
        except UnicodeDecodeError:
            raise ConfigurationError(f"CREDENTIALS_KEY_FILE: {file} is not text") from None
        except OSError as error:
            raise ConfigurationError(f"CREDENTIALS_KEY_FILE: cannot read {file}: {error.strerror}") from error

    @property
    def has_key(self) -> bool:
        """Whether there is a key."""
        return self._fernet is not None

    def derived_keys(self, purpose: bytes) -> list[bytes]:
        """A key of 32 bytes for another purpose from each of the keys, in their order (HKDF with SHA-256, RFC 5869).

        It reveals neither the key that it is derived from, nor those of other purposes.
        """
        return [HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key) for key in self._keys]

    def encrypt(self, credentials: Mapping[str, str]) -> str:
        """The credentials as they are stored. Raises UnreadableCredentialsError without a key."""
        if self._fernet is None:
            raise UnreadableCredentialsError("there is no key: set CREDENTIALS_KEY or CREDENTIALS_KEY_FILE")
        return self._fernet.encrypt(json.dumps(dict(credentials)).encode()).decode()

    def decrypt(self, stored: str) -> dict[str, str]:
        """What `encrypt` was given. Raises UnreadableCredentialsError if no key decrypts it."""
        if self._fernet is None:
            raise UnreadableCredentialsError("there is no key: set CREDENTIALS_KEY or CREDENTIALS_KEY_FILE")
        try:
            payload = json.loads(self._fernet.decrypt(stored.encode()))
        except InvalidToken:
            raise UnreadableCredentialsError("no key of CREDENTIALS_KEY decrypts them") from None
        return {str(name): str(value) for name, value in payload.items()}


def make_key_file(path: Path) -> bool:
    """Writes a new key to a file that only its owner can read. Returns False, and leaves it, if the file exists.

    The key is complete from the moment when the file has its name, for processes that start at the same time.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True


def _split(text: str) -> list[str]:
    return [key for key in re.split(r"[\s,]+", text) if key]
