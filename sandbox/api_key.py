"""The API key of `make run`: created at the first start, in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from shared.errors import ConfigurationError


def load_or_create_key(file: Path) -> str:
    """The key in the file, which is created if it does not exist. Raises ConfigurationError for an empty file."""
    try:
        # Created with its final mode, so no other user can read it even briefly; of two launchers one creates it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(file)
    key = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as new:
        new.write(key + "\n")
    return key


def _read(file: Path) -> str:
    key = file.read_text().strip()
    if not key:
        raise ConfigurationError(f"{file} is empty: remove it, and a new key is created.")
    file.chmod(0o600)
    return key
