"""DATABASE_URL as people write it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg2.extensions import parse_dsn

from api.database_url import database_url
from shared.database import libpq_url
from shared.errors import ConfigurationError

both = pytest.mark.parametrize("read", [database_url, libpq_url])
"""What the API and what a worker makes of it."""


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_taken(scheme: str) -> None:
    value = f"{scheme}://user:word@db.example:5433/mail?sslmode=require"

    assert database_url(value).drivername == "postgresql+psycopg2"
    assert libpq_url(value) == "postgresql://user:word@db.example:5433/mail?sslmode=require"


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
    given = parse_dsn(libpq_url(value))

    assert database_url(value).password == given.get("password")
    assert given.get("password") in (None, "p@ss/word")
    assert given["dbname"] == database_url(value).database == "mail"


def test_a_space_may_be_written_as_frameworks_write_it() -> None:
    value = "postgresql:///mail?options=-c+lock_timeout%3D5s"

    assert parse_dsn(libpq_url(value))["options"] == "-c lock_timeout=5s" == database_url(value).query["options"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "mail",
        "postgresql",
        "postgresql://user:s3cret@db:port/mail",
        "postgresql://user:s3cret@db,db:port/mail",
        "postgresql://user:s3cret@[::1/mail",
        "postgresql://user:s3cret@db/mail?sslmod=require",
        "//user:s3cret@db",
        "host=db password=s3cret",
    ],
)
@both
def test_what_is_no_url_is_refused_without_showing_the_password(read: Callable[[str], object], value: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a URL; write postgresql://") as raised:
        read(value)

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("value", ["sqlite://", "mysql://user:s3cret@db/mail", "oracle://db", "http://db"])
@both
def test_another_database_is_refused(read: Callable[[str], object], value: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with postgresql://") as raised:
        read(value)

    assert "s3cret" not in str(raised.value)


def test_the_url_does_not_show_its_password_by_accident() -> None:
    assert "s3cret" not in str(database_url("postgresql://user:s3cret@db/mail"))
