"""What an error on the way to PostgreSQL means."""

from __future__ import annotations

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from shared.database_errors import explain

AT = 'connection to server at "db" (10.0.0.2), port 5432 failed'


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (f'{AT}: FATAL:  password authentication failed for user "gonets"', "docker compose exec db psql"),
        (f"{AT}: fe_sendauth: no password supplied", "docker compose exec db psql"),
        (f'{AT}: FATAL:  database "mail" does not exist', "create the database"),
        (f'{AT}: FATAL:  role "somebody" does not exist', "create the role"),
        (f'{AT}: FATAL:  no pg_hba.conf entry for host "10.0.0.3", user "gonets"', "does not let this role connect"),
        (f"{AT}: session is read-only", "must lead to the primary"),
        (f"{AT}: Connection refused", "Check the host and port"),
        (f"{AT}: timeout expired", "Check the host and port"),
        ('could not translate host name "bd" to address: Name or service not known', "Check the host and port"),
        ("permission denied for schema public", "GRANT CREATE"),
    ],
)
def test_what_happened_is_said_and_what_to_do(said: str, advice: str) -> None:
    for error in (psycopg2.OperationalError(f"{said}\n"), OperationalError("", {}, psycopg2.OperationalError(said))):
        sentence = explain(error)

        assert sentence.startswith(said)
        assert advice in sentence
        assert "\n" not in sentence


def test_of_several_addresses_the_one_where_a_server_answers_counts() -> None:
    error = psycopg2.OperationalError(
        'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n"
        'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  password authentication failed\n'
    )

    assert explain(error).startswith('connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL')


def test_what_is_not_known_is_quoted() -> None:
    assert explain(psycopg2.OperationalError("could not write: No space left\nDETAIL: 7")) == (
        "could not write: No space left"
    )


def test_an_error_without_words_is_named() -> None:
    assert explain(psycopg2.OperationalError()) == "OperationalError"
