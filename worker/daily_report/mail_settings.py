"""The settings of the daily report and of the mail server it goes through. docs/settings.md has the table."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, field
from datetime import UTC, time
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path

from shared.config import between, environment, one_of
from shared.errors import ConfigurationError

PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""The port that goes with each SMTP_SECURITY (RFC 6409, RFC 8314, RFC 5321)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The recipients and the time of the daily report, and the mail server."""

    to: tuple[Address, ...]
    sender: Address
    at: time
    """When it is sent, in `timezone`: the report is about the previous day."""
    timezone: str
    host: str
    port: int
    security: str
    """`starttls`, `tls` or `none`."""
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def from_environment(cls) -> MailSettings | None:
        """None if no recipient is set. Raises ConfigurationError that names what is missing or wrong."""
        with environment() as env:
            to = env.str("DAILY_REPORT_TO", "")
            sender = env.str("DAILY_REPORT_FROM", "")
            at = env.str("DAILY_REPORT_AT", "06:00")
            timezone = env.str("DAILY_REPORT_TIMEZONE", "UTC")
            host = env.str("SMTP_HOST", "")
            security = env.str("SMTP_SECURITY", "starttls", validate=one_of(*PORTS))
            port = env.int("SMTP_PORT", None, validate=between(1, 65535))
            user = env.str("SMTP_USER", "")
            password = env.str("SMTP_PASSWORD", "")
            password_file = env.str("SMTP_PASSWORD_FILE", "")
        if not to:
            return None
        if not host:
            raise ConfigurationError("SMTP_HOST: DAILY_REPORT_TO is set, so a mail server must be.")
        _check_host(host)
        given = [part for part in to.split(",") if part.strip()] or [to]
        recipients = tuple(_address("DAILY_REPORT_TO", recipient) for recipient in given)
        return cls(
            to=recipients,
            sender=_address("DAILY_REPORT_FROM", sender) if sender else recipients[0],
            at=_time(at),
            timezone=_timezone(timezone),
            host=host,
            port=port or PORTS[security],
            security=security,
            user=user or None,
            password=_password(password, password_file, user, security),
        )


def _address(name: str, given: str) -> Address:
    display_name, address = parseaddr(given)
    try:
        parsed = Address(display_name, addr_spec=address)
    except (ValueError, IndexError, HeaderParseError):  # the last one since Python 3.13
        parsed = Address()
    if not (parsed.username and parsed.domain and address.isascii()):
        raise ConfigurationError(f"{name}: must be e-mail addresses such as ops@example.com, with commas between them.")
    return parsed


def _check_host(given: str) -> None:
    try:
        sound = bool(given.encode("idna")) and not any(character.isspace() for character in given)
    except UnicodeError:
        sound = False
    if not sound:
        raise ConfigurationError("SMTP_HOST: must be the name or the address of a mail server, such as mail.example.")


def _time(given: str) -> time:
    try:
        at = time.fromisoformat(given)
    except ValueError:
        at = time(tzinfo=UTC)
    if at.tzinfo is not None:  # a time zone is set by DAILY_REPORT_TIMEZONE only
        raise ConfigurationError("DAILY_REPORT_AT: must be a time of day such as 06:00.")
    return at.replace(second=0, microsecond=0)


def _timezone(given: str) -> str:
    if given not in zoneinfo.available_timezones():
        raise ConfigurationError("DAILY_REPORT_TIMEZONE: must be a time zone's name such as Europe/Moscow.")
    return given


def _password(given: str, file: str, user: str, security: str) -> str | None:
    if given and file:
        raise ConfigurationError("SMTP_PASSWORD and SMTP_PASSWORD_FILE are both set: set only one of them.")
    if file:
        try:
            given = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(f"SMTP_PASSWORD_FILE: cannot read {file}.") from None
    if bool(given) != bool(user):
        raise ConfigurationError("SMTP_USER: a user and a password go together: set both, or neither.")
    if not (given.isascii() and user.isascii()):  # smtplib supports ASCII only (AUTH PLAIN, RFC 4616, would allow more)
        name = "SMTP_USER" if given.isascii() else "SMTP_PASSWORD_FILE" if file else "SMTP_PASSWORD"
        raise ConfigurationError(f"{name}: must consist of ASCII characters.")
    if given and security == "none":
        raise ConfigurationError("SMTP_SECURITY: with none, the password would cross the network in clear.")
    return given or None
