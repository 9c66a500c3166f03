"""Tokens of links to opt out, the address of the pages, and their texts."""

from __future__ import annotations

import secrets
from random import Random

import pytest

from api.opt_out.address import OWN_PATH, check_path
from api.opt_out.texts import LANGUAGES, language_of
from shared.config import environment
from shared.domain.opt_out_links import (
    ALPHABET,
    CODE_LENGTH,
    MAX_TOKEN,
    example_link,
    link_length,
    message_of,
    token_of,
)
from shared.domain.text_segments import Encoding, encoding_of
from shared.errors import ConfigurationError
from shared.opt_out_url import IS_OPT_OUT_URL, opt_out_address

SECRET = bytes(range(32))


def ids(random: Random, count: int = 300) -> list[int]:
    """Ids of all lengths."""
    return [1, 31, 32, 2**63 - 1, *(random.randrange(1, 2 ** random.randrange(1, 63) + 1) for _ in range(count))]


def test_a_token_names_its_message_and_is_not_the_token_of_another() -> None:
    random = Random(1)
    for message_id in ids(random):
        token = token_of(message_id, SECRET)
        assert set(token) <= set(ALPHABET)
        assert len(token) <= MAX_TOKEN
        assert message_of(token, SECRET) == message_id
        assert message_of(token, secrets.token_bytes(32)) is None
        place = random.randrange(len(token))
        other = random.choice([character for character in ALPHABET if character != token[place]])
        assert message_of(token[:place] + other + token[place + 1 :], SECRET) is None, (token, place)
        assert message_of(token[:place] + token[place + 1 :], SECRET) is None


def test_a_token_stays_what_it_is() -> None:
    # It was sent: a later version must still read it.
    assert token_of(1_000_000, SECRET) == "ygj0z4be67z8w3rp"


@pytest.mark.parametrize(
    "wrong", ["", "-", "0", "é" * 16, "٣" * 16, "0" * 16, "z" * 26, "z" * 5000, "u" * 16, " " * 16]
)
def test_what_is_no_token_is_of_no_message(wrong: str) -> None:
    assert message_of(wrong, SECRET) is None


def test_a_token_has_one_form_apart_from_what_people_and_phones_make_of_it() -> None:
    token = next(token for number in range(1, 999) if {"0", "1"} <= set(token := token_of(number, SECRET)))
    message_id = message_of(token, SECRET)
    assert message_id
    for written in (token.upper(), token.replace("0", "o").replace("1", "l"), f"{token}.", f"{token}/", f"{token})."):
        assert message_of(written, SECRET) == message_id
    assert message_of(f"0{token}", SECRET) is None
    assert message_of(f"{token}0", SECRET) is None
    assert message_of(f".{token}", SECRET) is None


@pytest.mark.parametrize(
    "after", [*".,;:!?…)]}>\"'»”’*_~|/\\ \n\u00a0\u200b", ".Стоп", ".Stop", "...", "&nbsp;", "//", "%20"]
)
def test_what_follows_a_link_in_the_text_is_no_part_of_its_token(after: str) -> None:
    assert message_of(token_of(1_000_000, SECRET) + after, SECRET) == 1_000_000


def test_an_example_is_as_long_as_a_link_says_that_it_is_one_and_is_no_token() -> None:
    for message_id in (1, 31, 32, 1_000_000, 2**63 - 1):
        example = example_link("https://s.example/u", message_id)
        assert len(example) == len(f"https://s.example/u/{token_of(message_id, SECRET)}")
        assert len(example) == link_length("https://s.example/u", message_id)
        assert example.startswith("https://s.example/u/example-")
        assert encoding_of(example) is Encoding.GSM_7
        assert message_of(example.rpartition("/")[2], SECRET) is None
    assert link_length("", 32**4) - 1 == 5 + CODE_LENGTH


@pytest.mark.parametrize("url", ["", "https://s.example", "http://127.0.0.1:8000/u", "https://sms.example.com/a/b-c"])
def test_an_address_of_the_pages_is_taken(url: str) -> None:
    IS_OPT_OUT_URL(url)


@pytest.mark.parametrize(
    "url",
    [
        *("s.example", "ftp://s.example", "https://s.example/", "https://s.example/u?x=1", "https://s.example/ü"),
        *("https://a@s.example", "https://s.example//u", "https://s.example/u#x", "https://", "https://s.example/u\n"),
    ],
)
def test_what_is_no_address_of_the_pages_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPT_OUT_URL", url)
    with pytest.raises(ConfigurationError, match="OPT_OUT_URL"), environment() as env:
        env.str("OPT_OUT_URL", "", validate=IS_OPT_OUT_URL)


@pytest.mark.parametrize(
    ("public_url", "is_separate"),
    [
        ("", True),
        ("https://sms.example.com", True),
        ("https://s.example:8443", True),
        ("https://S.example", False),
        ("https://s.example:443/gonets", False),
    ],
)
def test_the_host_is_separate_unless_the_api_has_the_same(public_url: str, is_separate: bool) -> None:
    address = opt_out_address("https://s.example/u", public_url)
    assert address is not None
    assert address.is_separate is is_separate
    for host in ("s.example", "S.EXAMPLE", "s.example:443", "s.example."):
        assert address.is_at(host), host
    for host in ("", "example", "xs.example", "s.example.com", "s.example:8443x"):
        assert address.is_at(host) is (host == "s.example:8443x" and "8443" not in public_url), host
    assert address.is_at("s.example:8443") is ("8443" not in public_url)
    assert (address.token("/u/x/y"), address.token("/u"), address.token("/ux/y")) == ("x/y", None, None)
    assert address.token("/U/X") == "X"
    assert opt_out_address("", public_url) is None


@pytest.mark.parametrize("path", ["", "/v1", "/docs/u", "/login"])
def test_at_the_host_of_the_api_the_path_must_be_free(path: str) -> None:
    others = ["/", "/v1/client/", "/docs/<name>", "/login/", f"{OWN_PATH}<path:token>"]
    wrong = opt_out_address(f"https://s.example{path}", "https://s.example")
    separate = opt_out_address(f"https://s.example{path}", "")
    free = opt_out_address("https://s.example/opt-out", "https://s.example")
    assert wrong is not None
    assert separate is not None
    assert free is not None
    with pytest.raises(ConfigurationError, match="OPT_OUT_URL"):
        check_path(wrong, others)
    check_path(separate, others)
    check_path(free, others)


def test_there_are_texts_in_each_language_and_all_are_whole() -> None:
    assert {"en", "ru", "uk", "fr", "es", "de", "pt", "it", "pl", "tr", "kk"} <= LANGUAGES.keys()
    for texts in LANGUAGES.values():
        for name, text in texts._asdict().items():
            assert text.strip()
            assert ("{number}" in text) is (name in ("question", "done"))
            assert text.format(number="…123")
    for name in ("question", "done", "button"):
        assert len({getattr(texts, name) for texts in LANGUAGES.values()}) == len(LANGUAGES)
    written = {"ru": "ru", "pt-BR": "pt", "RU_ru": "ru", "Russian": None, "": None}
    assert {given: language_of(given) for given in written} == written
