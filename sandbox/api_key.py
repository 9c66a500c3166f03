"""The key to the API: made at the first start, and kept where only its owner can read it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from shared.errors import ConfigurationError


def load_or_create_key(file: Path) -> str:
    """The key in the file, which is made if need be. Raises ConfigurationError for a file with none in it."""
    try:
        # Nobody else can read it, from the first moment on; and of two launchers one makes it.
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
        raise ConfigurationError(f"{file} is empty: remove it, and a new key is made.")
    file.chmod(0o600)
    return key
