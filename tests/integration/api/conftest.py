"""The application on a migrated, empty database, and bodies to send to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from api import create_app
from api.auth import credential_cache, rate_limiter
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from tests.integration.api.calls import Caller, caller
from tests.integration.api.fake_clock import Clock
from tests.integration.api.openapi_validation import Document, every_answer_checked

# What a worker does meanwhile is done by a worker's own parts.
from tests.integration.worker.conftest import (
    idle_databases,
    maintenance,
    open_database,
    open_maintenance,
    open_queue,
    queue,
)

__all__ = ["idle_databases", "maintenance", "open_database", "open_maintenance", "open_queue", "queue"]


@pytest.fixture(scope="session")
def app(database_url: str) -> Flask:
    """The application on the tests' database."""
    return create_app(ApiSettings(database_url=parse_database_url(database_url)))


@pytest.fixture(scope="session")
def undocumented() -> Iterator[list[str]]:
    """What has been answered so far, and is not as the OpenAPI document says."""
    found: list[str] = []
    # The tests have applications of their own, which all say the same of themselves.
    nowhere = create_app(ApiSettings(database_url=parse_database_url("postgresql://nobody@127.0.0.1:1/none")))
    with every_answer_checked(Document(nowhere.test_client().get("/docs/openapi.json").get_json()), found):
        yield found


@pytest.fixture(autouse=True)
def answers_are_documented(undocumented: list[str]) -> Iterator[None]:
    """Fails a test in which anything else is answered."""
    undocumented.clear()
    yield
    assert not undocumented


@pytest.fixture
def api(app: Flask, clean_database: str) -> Caller:
    """A caller of the application, whose database is empty."""
    return caller(app)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What is remembered of keys and sessions, and what is counted of requests, grows older only by this clock."""
    clock = Clock()
    monkeypatch.setattr(credential_cache, "time", clock)
    monkeypatch.setattr(rate_limiter, "time", clock)
    for table in ("by_principal", "by_address", "by_sign_in_address", "by_callback_address", "by_opt_out_address"):
        monkeypatch.setattr(rate_limiter, table, rate_limiter.RateLimiter())
    return clock
