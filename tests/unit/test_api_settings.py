"""How the API's settings are read."""

from __future__ import annotations

import os

import pytest

from api.database_url import database_url
from api.settings import ApiSettings
from shared.domain.roles import Role
from shared.errors import ConfigurationError

NAMES = ("DATABASE_URL", "SECRET_KEY", "TRUSTED_PROXIES", "DEFAULT_REGION")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with none of the API's variables in it."""
    for name in list(os.environ):
        if name.startswith(("API_", "OIDC_", "LOG_")) or name in NAMES:
            monkeypatch.delenv(name)
    return monkeypatch


def test_what_is_not_set_has_a_default(environment: pytest.MonkeyPatch) -> None:
    settings = ApiSettings.from_environment()
    assert settings == ApiSettings(database_url=settings.database_url)
    assert settings.database_url.host == "127.0.0.1"


def test_what_is_set_is_taken(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgres://somebody@db/gonets")
    environment.setenv("API_MAX_BODY_BYTES", "2048")
    environment.setenv("API_STATEMENT_TIMEOUT", "0.5")
    environment.setenv("DEFAULT_REGION", "RU")
    settings = ApiSettings.from_environment()
    assert settings.database_url.host == "db"
    assert settings.flask_config()["MAX_CONTENT_LENGTH"] == 2048
    assert settings.flask_config()["DEFAULT_REGION"] == "RU"
    options = settings.flask_config()["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]["options"]
    limits = "-c statement_timeout=500 -c idle_in_transaction_session_timeout=500"
    assert options == f"-c timezone=UTC -c jit=off {limits}"


def test_options_in_the_database_url_are_kept() -> None:
    url = database_url("postgresql://db/gonets?options=-csearch_path%3Dgonets")
    config = ApiSettings(database_url=url).flask_config()
    assert config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]["options"].startswith("-csearch_path=gonets -c timezone")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_MAX_BODY_BYTES", "12"),
        ("API_STATEMENT_TIMEOUT", "0"),
        ("API_KEY", "too short"),
        ("API_KEY", "with a blank in the middle"),
        ("SECRET_KEY", "x"),
        ("API_RATE", "-1"),
        ("TRUSTED_PROXIES", "many"),
        ("DEFAULT_REGION", "XX"),
        ("OIDC_ROLES", "staff=owner"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_variable_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        ApiSettings.from_environment()


PROVIDER = {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "gonets", "OIDC_CLIENT_SECRET": "secret"}


def test_a_provider_is_read_and_its_claims_are_roles(environment: pytest.MonkeyPatch) -> None:
    for name, value in {**PROVIDER, "OIDC_ROLE_CLAIM": "groups", "OIDC_ROLES": "staff=viewer,ops=admin"}.items():
        environment.setenv(name, value)
    provider = ApiSettings.from_environment().provider
    assert provider is not None
    assert (provider.issuer, provider.role_claim) == ("https://id.example", "groups")
    assert provider.roles == {"staff": Role.VIEWER, "ops": Role.ADMIN}
    assert "secret" not in repr(provider)


def test_what_is_empty_is_not_set(environment: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "SECRET_KEY", "OIDC_ROLE_CLAIM", "OIDC_ROLES", "DEFAULT_REGION", *PROVIDER):
        environment.setenv(name, "")
    settings = ApiSettings.from_environment()
    assert (settings.api_key, settings.secret_key, settings.provider) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_CLIENT_ID", ""),
        ("OIDC_CLIENT_SECRET", ""),
        ("OIDC_ISSUER", "http://id.example"),
        ("OIDC_ISSUER", "https://[::1"),
        ("OIDC_ISSUER", "https://id.example:port"),
    ],
)
def test_half_a_provider_or_one_without_https_is_refused(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for one, given in {**PROVIDER, name: value}.items():
        environment.setenv(one, given)
    with pytest.raises(ConfigurationError, match=name):
        ApiSettings.from_environment()
