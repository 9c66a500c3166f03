"""The settings of the daily report."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from worker.daily_report.mail_settings import MailSettings

Environment = pytest.MonkeyPatch


def given(environment: Environment, **settings: str) -> MailSettings:
    for name, setting in ({"DAILY_REPORT_TO": "ops@example.com", "SMTP_HOST": "mail.example"} | settings).items():
        environment.setenv(name, setting)
    read = MailSettings.from_environment()
    assert read is not None
    return read


def test_without_somebody_to_send_it_to_there_is_none(monkeypatch: Environment) -> None:
    monkeypatch.setenv("SMTP_HOST", "mail.example")
    assert MailSettings.from_environment() is None


def test_what_is_not_said_is_the_usual(monkeypatch: Environment) -> None:
    settings = given(monkeypatch, DAILY_REPORT_TO="Olya <olya@example.com>, ops@example.com")

    assert [str(one) for one in settings.to] == ["Olya <olya@example.com>", "ops@example.com"]
    assert settings.sender == settings.to[0]
    assert (settings.at, settings.timezone, settings.port) == (time(6, 0), "UTC", 587)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_goes_with_the_security(security: str, port: int, monkeypatch: Environment) -> None:
    assert given(monkeypatch, SMTP_SECURITY=security).port == port


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("DAILY_REPORT_TO", "nobody"),
        ("DAILY_REPORT_TO", "ops@example.com, @"),
        ("DAILY_REPORT_TO", ","),
        ("DAILY_REPORT_FROM", "a b@"),
        ("DAILY_REPORT_AT", "25:00"),
        ("DAILY_REPORT_AT", "06:00+03:00"),
        ("DAILY_REPORT_TIMEZONE", "Mars/Olympus"),
        ("SMTP_HOST", ""),
        ("SMTP_HOST", "mail..example"),
        ("SMTP_HOST", "mail example"),
        ("SMTP_PORT", "70000"),
        ("SMTP_SECURITY", "perhaps"),
        ("SMTP_USER", "gonets"),
        ("SMTP_PASSWORD_FILE", "/nowhere/at/all"),
    ],
)
def test_what_is_wrong_is_named(name: str, setting: str, monkeypatch: Environment) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        given(monkeypatch, **{name: setting})


@pytest.mark.parametrize(
    ("name", "user", "password"), [("SMTP_PASSWORD", "gonets", "пароль"), ("SMTP_USER", "гонец", "word")]
)
def test_credentials_that_smtplib_cannot_send_are_refused_at_start(
    name: str, user: str, password: str, monkeypatch: Environment
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: must consist of ASCII") as raised:
        given(monkeypatch, SMTP_USER=user, SMTP_PASSWORD=password)

    assert "пароль" not in str(raised.value)


def test_a_password_is_not_sent_in_clear(monkeypatch: Environment) -> None:
    with pytest.raises(ConfigurationError, match="in clear"):
        given(monkeypatch, SMTP_USER="gonets", SMTP_PASSWORD="secret", SMTP_SECURITY="none")


def test_a_password_may_come_from_a_file_and_is_not_shown(monkeypatch: Environment, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")

    settings = given(monkeypatch, SMTP_USER="gonets", SMTP_PASSWORD_FILE=str(tmp_path / "password"))

    assert settings.password == "secret"
    assert "secret" not in repr(settings)
