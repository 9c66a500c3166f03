"""Hashes of erased numbers, and finding a number in a text."""

from __future__ import annotations

import hmac
import re

import pytest
from cryptography.fernet import Fernet

from api.erased_numbers.hashes import PURPOSE, NumberHasher
from shared.credentials import CredentialCipher
from shared.domain.erasure import number_pattern

NUMBER = 79_161_234_567
KEYS = [Fernet.generate_key().decode(), Fernet.generate_key().decode()]


@pytest.mark.parametrize(
    "written", ["79161234567", "+79161234567", "89161234567", "+7 (916) 123-45-67", "8.916.123.45.67"]
)
def test_a_number_is_found_as_people_write_it(written: str) -> None:
    assert re.sub(number_pattern(NUMBER), "0", f"call {written}, please") == "call 0, please"


@pytest.mark.parametrize("other", ["791612345678", "179161234567", "79161234568", "9161234567"])
def test_another_number_is_not_taken_for_it(other: str) -> None:
    assert re.sub(number_pattern(NUMBER), "0", other) == other


def test_a_number_is_hashed_with_the_first_key_and_found_under_all() -> None:
    old, both = NumberHasher(CredentialCipher(KEYS[1:])), NumberHasher(CredentialCipher(KEYS))
    assert old.first(NUMBER) in both.all(NUMBER)
    assert both.first(NUMBER) != old.first(NUMBER)
    assert both.by_hash([NUMBER]) == dict.fromkeys(both.all(NUMBER), NUMBER)
    assert old.first(NUMBER) != old.first(NUMBER + 1)
    [key] = CredentialCipher(KEYS[1:]).derived_keys(PURPOSE)
    assert old.first(NUMBER) == hmac.digest(key, b"79161234567", "sha256")
    assert not NumberHasher(CredentialCipher([])).has_key


def test_keys_for_different_purposes_differ_from_each_other_and_from_the_key() -> None:
    cipher = CredentialCipher(KEYS)
    assert len({*cipher.derived_keys(b"one"), *cipher.derived_keys(b"other")}) == 4
    assert all(len(key) == 32 for key in cipher.derived_keys(b"one"))
