"""Checks of what an administrator entered for an account, before it becomes part of a request.

Each raises ConfigurationError for a value that does not fit: `field: must be …`. It names the field, and not its value.
"""

from __future__ import annotations

import re

from shared.errors import ConfigurationError
from shared.gateways.base import Account

VISIBLE = r"[!-~]+"
"""What a header may have as one word."""

LINE = r"[^\x00-\x1f\x7f]+"
"""What a form may have; whether it is printable is checked for all values."""

PATH_PART = r"[A-Za-z0-9_-]{1,64}"
"""What a path may have as one part without percent-encoding."""

PATH = r"/[!-\"$->@-~]*"
"""A path without a query."""

USER = r"[^\x00-\x1f\x7f:]+"
"""The user of Basic authentication (RFC 7617)."""

NUMBER = r"[1-9][0-9]{0,3}"

_NAMES = {
    VISIBLE: "Latin letters, digits and signs, without blanks",
    LINE: "one line of printable characters",
    PATH_PART: "1 to 64 Latin letters, digits, hyphens and underscores",
    PATH: "a path that begins with / and has no query",
    USER: "one line of printable characters without a colon",
    NUMBER: "a whole number from 1 to 9999",
}

LONGEST_SENDER = 40
"""Characters."""


def credential(account: Account, name: str, pattern: str = VISIBLE, longest: int | None = None) -> str:
    """A credential, of at most `longest` characters."""
    return _checked(name, account.credentials.get(name, ""), pattern, longest)


def optional_credential(account: Account, name: str, pattern: str = VISIBLE) -> str:
    """A credential that may be empty."""
    return credential(account, name, pattern) if account.credentials.get(name) else ""


def option(account: Account, name: str, pattern: str, default: str = "", longest: int | None = None) -> str:
    """Another field, of at most `longest` characters; `default` if it is empty."""
    return _checked(name, account.options.get(name, "") or default, pattern, longest)


def optional(account: Account, name: str, pattern: str = LINE) -> str:
    """A field that may be empty."""
    return option(account, name, pattern) if account.options.get(name) else ""


def number_option(account: Account, name: str, default: int) -> int:
    """A field that is a whole number from 1 to 9999."""
    return int(option(account, name, NUMBER, str(default)))


def sender_of(account: Account) -> str:
    """The sender id: 1 to 40 printable characters."""
    if not account.sender.strip():
        raise ConfigurationError("sender: must be entered")
    return optional_sender(account)


def optional_sender(account: Account) -> str:
    """The sender id, or an empty text: at most 40 printable characters."""
    sender = account.sender.strip()
    if len(sender) > LONGEST_SENDER or not sender.isprintable():
        raise ConfigurationError(f"sender: must be 1 to {LONGEST_SENDER} printable characters")
    return sender


def _checked(name: str, value: str, pattern: str, longest: int | None = None) -> str:
    if not re.fullmatch(pattern, value) or not value.isprintable():
        raise ConfigurationError(f"{name}: must be {_NAMES.get(pattern, pattern)}")
    if longest is not None and len(value) > longest:
        raise ConfigurationError(f"{name}: must have at most {longest} characters")
    return value
