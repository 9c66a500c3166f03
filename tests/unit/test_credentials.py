"""The encryption of gateways' credentials, and its keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from shared.credentials import CredentialCipher, UnreadableCredentialsError, make_key_file
from shared.errors import ConfigurationError

SECRETS = {"api_key": "s3cret", "password": "пароль"}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENTIALS_KEY", "CREDENTIALS_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_what_is_encrypted_is_decrypted_and_shows_nothing() -> None:
    cipher = CredentialCipher([new_key()])

    stored = cipher.encrypt(SECRETS)

    assert cipher.decrypt(stored) == SECRETS
    assert not [value for value in (*SECRETS, *SECRETS.values()) if value in stored]
    assert stored != cipher.encrypt(SECRETS)


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    old, new = new_key(), new_key()
    stored = CredentialCipher([old]).encrypt(SECRETS)
    both = CredentialCipher([new, old])

    assert both.decrypt(stored) == SECRETS
    assert CredentialCipher([new]).decrypt(both.encrypt(SECRETS)) == SECRETS
    with pytest.raises(UnreadableCredentialsError, match="no key"):
        CredentialCipher([new]).decrypt(stored)


def test_without_a_key_nothing_is_encrypted_or_decrypted() -> None:
    cipher = CredentialCipher.from_environment()

    assert not cipher.has_key
    with pytest.raises(UnreadableCredentialsError, match="CREDENTIALS_KEY"):
        cipher.encrypt(SECRETS)
    with pytest.raises(UnreadableCredentialsError, match="CREDENTIALS_KEY"):
        cipher.decrypt("gAAAA")


@pytest.mark.parametrize("damage", ["", "x", "gAAAAABinvalid"])
def test_what_is_damaged_cannot_be_read(damage: str) -> None:
    with pytest.raises(UnreadableCredentialsError):
        CredentialCipher([new_key()]).decrypt(damage)


def test_keys_come_from_a_setting_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    monkeypatch.setenv("CREDENTIALS_KEY", f" {first},\n{second} ")
    stored = CredentialCipher.from_environment().encrypt(SECRETS)
    file = tmp_path / "key"
    file.write_text(f"{second}\n{first}\n")
    monkeypatch.setenv("CREDENTIALS_KEY_FILE", str(file))
    with pytest.raises(ConfigurationError, match="both set"):
        CredentialCipher.from_environment()
    monkeypatch.setenv("CREDENTIALS_KEY", "")

    assert CredentialCipher.from_environment().decrypt(stored) == SECRETS


@pytest.mark.parametrize("content", [None, b"not a key", b"\xff\xfe", b"A" * 43])
def test_a_file_without_keys_is_a_wrong_setting_that_is_not_quoted(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_KEY_FILE", str(file))

    with pytest.raises(ConfigurationError, match=r"^CREDENTIALS_KEY_FILE: ") as raised:
        CredentialCipher.from_environment()
    assert "not a key" not in str(raised.value)


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"

    assert make_key_file(file)
    key = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not make_key_file(file)
    assert file.read_text() == key
    assert list(file.parent.iterdir()) == [file]
    assert CredentialCipher([key.strip()]).has_key
