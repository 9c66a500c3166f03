"""The key that `make run` keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.api_key import load_or_create_key
from shared.errors import ConfigurationError


def test_it_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    umask = os.umask(0)
    try:
        key = load_or_create_key(file)
    finally:
        os.umask(umask)
    assert len(key) >= 32
    assert load_or_create_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_one_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    file.write_text("a-key-of-somebody\n")
    file.chmod(0o644)
    assert load_or_create_key(file) == "a-key-of-somebody"
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "api-key").touch()
    with pytest.raises(ConfigurationError, match="remove it"):
        load_or_create_key(tmp_path / "api-key")
