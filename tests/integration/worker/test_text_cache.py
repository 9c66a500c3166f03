"""The texts of mailings: read once, and remembered."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_mailing, execute, revise_text
from tests.integration.worker.conftest import OpenDatabase
from worker.text_cache import Key, TextCache


@pytest.fixture
def texts(open_database: OpenDatabase) -> TextCache:
    return TextCache(open_database())


def forget(connection: Connection) -> None:
    """Takes the texts out of the database: who still has them has remembered them."""
    execute(connection, "DELETE FROM mailing_text")


def read(texts: TextCache, keys: set[Key]) -> dict[Key, str]:
    """The texts of these revisions."""
    return {key: stored.text for key, stored in texts.get_many(keys).items()}


def test_each_revision_has_its_text(connection: Connection, texts: TextCache) -> None:
    mailing_id, another = add_mailing(connection, text="old"), add_mailing(connection, text="another")
    revise_text(connection, mailing_id, "new")

    keys = {(mailing_id, 1), (mailing_id, 2), (another, 1)}

    assert read(texts, keys) == {(mailing_id, 1): "old", (mailing_id, 2): "new", (another, 1): "another"}


def test_none_are_read_when_none_are_wanted(texts: TextCache) -> None:
    assert read(texts, set()) == {}


def test_a_text_is_read_once(connection: Connection, texts: TextCache) -> None:
    mailing_id = add_mailing(connection, text="Привет")
    texts.get_many({(mailing_id, 1)})
    forget(connection)

    assert read(texts, {(mailing_id, 1)}) == {(mailing_id, 1): "Привет"}


def test_only_what_is_not_known_is_read(connection: Connection, texts: TextCache) -> None:
    known = add_mailing(connection, text="known")
    texts.get_many({(known, 1)})
    forget(connection)
    another = add_mailing(connection, text="another")

    assert read(texts, {(known, 1), (another, 1)}) == {(known, 1): "known", (another, 1): "another"}


def test_the_least_recently_used_entry_is_removed_first(
    connection: Connection, texts: TextCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.text_cache.MAX_ENTRIES", 2)
    first, second, third = (add_mailing(connection, text=text) for text in ("first", "second", "third"))
    texts.get_many({(first, 1)})
    texts.get_many({(second, 1)})
    texts.get_many({(first, 1)})
    texts.get_many({(third, 1)})
    forget(connection)

    assert read(texts, {(first, 1), (third, 1)}) == {(first, 1): "first", (third, 1): "third"}
    assert read(texts, {(second, 1)}) == {}


def test_more_than_are_remembered_can_be_wanted_at_once(
    connection: Connection, texts: TextCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.text_cache.MAX_ENTRIES", 2)
    keys = {(add_mailing(connection, text=f"text {n}"), 1) for n in range(5)}

    assert sorted(read(texts, keys).values()) == [f"text {n}" for n in range(5)]


def test_one_that_is_not_there_is_left_out(connection: Connection, texts: TextCache) -> None:
    mailing_id = add_mailing(connection, text="there")

    assert read(texts, {(mailing_id, 1), (mailing_id, 2), (mailing_id + 1, 1)}) == {(mailing_id, 1): "there"}
