"""DATABASE_URL as people write it."""

from __future__ import annotations

import pytest

from shared.db import database_url, libpq_url
from shared.errors import ConfigurationError


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_taken(scheme: str) -> None:
    url = database_url(f"{scheme}://user:word@db.example:5433/mail?sslmode=require")

    assert url.drivername == "postgresql+psycopg2"
    assert libpq_url(url) == "postgresql://user:word@db.example:5433/mail?sslmode=require"


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://user@/mail?host=%2Fvar%2Frun",
        "postgresql://user:p%40ss%2Fword@db.example/mail",
        "postgresql://user@[::1]:5432/mail",
        "postgresql:///mail",
    ],
)
def test_what_is_special_in_a_url_survives(value: str) -> None:
    assert database_url(libpq_url(database_url(value))) == database_url(value)
    assert database_url(value).password in (None, "p@ss/word")


@pytest.mark.parametrize(
    "value", ["", "mail", "postgresql", "postgresql://user:s3cret@db:port/mail", "//user:s3cret@db"]
)
def test_what_is_no_url_is_refused_without_showing_the_password(value: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a URL; write postgresql://") as raised:
        database_url(value)

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("value", ["sqlite://", "mysql://user:s3cret@db/mail", "oracle://db", "http://db"])
def test_another_database_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with postgresql://") as raised:
        database_url(value)

    assert "s3cret" not in str(raised.value)


def test_the_url_does_not_show_its_password_by_accident() -> None:
    assert "s3cret" not in str(database_url("postgresql://user:s3cret@db/mail"))
