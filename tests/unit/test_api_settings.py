"""How the API's settings are read."""

from __future__ import annotations

import pytest

from api.settings import ApiSettings
from shared.db import database_url
from shared.errors import ConfigurationError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with none of the API's variables in it."""
    for name in ("DATABASE_URL", "API_MAX_BODY_BYTES", "API_STATEMENT_TIMEOUT", "LOG_LEVEL", "LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_what_is_not_set_has_a_default(environment: pytest.MonkeyPatch) -> None:
    settings = ApiSettings.from_environment()
    assert settings == ApiSettings(database_url=settings.database_url)
    assert settings.database_url.host == "127.0.0.1"


def test_what_is_set_is_taken(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgres://somebody@db/gonets")
    environment.setenv("API_MAX_BODY_BYTES", "2048")
    environment.setenv("API_STATEMENT_TIMEOUT", "0.5")
    settings = ApiSettings.from_environment()
    assert settings.database_url.host == "db"
    assert settings.flask_config()["MAX_CONTENT_LENGTH"] == 2048
    options = settings.flask_config()["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]["options"]
    limits = "-c statement_timeout=500 -c idle_in_transaction_session_timeout=500"
    assert options == f"-c timezone=UTC -c jit=off {limits}"


def test_options_in_the_database_url_are_kept() -> None:
    url = database_url("postgresql://db/gonets?options=-csearch_path%3Dgonets")
    config = ApiSettings(database_url=url).flask_config()
    assert config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]["options"].startswith("-csearch_path=gonets -c timezone")


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_MAX_BODY_BYTES", "12"), ("API_STATEMENT_TIMEOUT", "0"), ("LOG_LEVEL", "LOUD"), ("LOG_FORMAT", "xml")],
)
def test_a_wrong_variable_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        ApiSettings.from_environment()
