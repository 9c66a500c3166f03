"""The application on a migrated, empty database, and bodies to send to it."""

from __future__ import annotations

import pytest
from flask import Flask

from api import create_app
from api.settings import ApiSettings
from shared.db import database_url as parse_database_url
from tests.integration.api.calls import Caller, caller


@pytest.fixture(scope="session")
def app(database_url: str) -> Flask:
    """The application on the tests' database."""
    return create_app(ApiSettings(database_url=parse_database_url(database_url)))


@pytest.fixture
def api(app: Flask, clean_database: str) -> Caller:
    """A caller of the application, whose database is empty."""
    return caller(app)
