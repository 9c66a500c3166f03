"""The API's settings, from the environment. README.md has the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL

from shared.config import DEFAULT_DATABASE_URL, LOG_FORMATS, LOG_LEVELS, between, environment, one_of
from shared.db import CONNECT_OPTIONS, database_url

PAGE_LIMIT, MAX_PAGE_LIMIT = 100, 1000
"""Rows of a page when the caller doesn't say, and at most."""

POOL_TIMEOUT = 5.0
"""Seconds a request waits for a connection while all are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the API is told from outside. The defaults are those of a test or a first try."""

    database_url: URL
    max_body_bytes: int = 65_536
    statement_timeout: float = 15.0
    """Seconds that one statement of a request may take."""
    log_level: str = "INFO"
    log_format: str = "auto"

    @classmethod
    def from_environment(cls) -> ApiSettings:
        """Raises ConfigurationError that names every variable that is wrong."""
        with environment() as env:
            read: dict[str, Any] = {
                "database_url": env.str("DATABASE_URL", DEFAULT_DATABASE_URL),
                "max_body_bytes": env.int("API_MAX_BODY_BYTES", 65_536, validate=between(1024, 2**30)),
                "statement_timeout": env.float("API_STATEMENT_TIMEOUT", 15.0, validate=between(0.1, 3600.0)),
                "log_level": env.str("LOG_LEVEL", "INFO", validate=one_of(*LOG_LEVELS)),
                "log_format": env.str("LOG_FORMAT", "auto", validate=one_of(*LOG_FORMATS)),
            }
        return cls(**{**read, "database_url": database_url(read["database_url"])})

    def flask_config(self) -> dict[str, Any]:
        """The same in the words of Flask and its extensions."""
        return {
            "MAX_CONTENT_LENGTH": self.max_body_bytes,
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "connect_args": {
                    **CONNECT_OPTIONS,
                    "application_name": "gonets-api",
                    "options": f"{self._given_options()} {self._own_options()}".strip(),
                },
                "pool_pre_ping": True,
                "pool_timeout": POOL_TIMEOUT,
                # Statements appear in logs, phone numbers and texts don't.
                "hide_parameters": True,
            },
        }

    def _given_options(self) -> str:
        given = self.database_url.query.get("options", "")
        return given if isinstance(given, str) else " ".join(given)

    def _own_options(self) -> str:
        # UTC: a server's own time zone could push a late date out of the years that Python knows.
        # No jit: compiling takes longer than any query here.
        # Idle: a request that hangs between two statements must not keep a mailing locked from the workers.
        milliseconds = int(self.statement_timeout * 1000)
        return (
            f"-c timezone=UTC -c jit=off -c statement_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={milliseconds}"
        )
