"""Reading the gateway's token."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.errors import ConfigurationError


class Token:
    """The gateway's bearer token: from a setting, from a file that may be replaced, or from a prompt.

    Only `value` reveals it: `str`, `repr` and errors do not contain it.
    """

    def __init__(self, value: str | None = None, file: str | Path | None = None) -> None:
        """Reads the token from `value` (GATEWAY_TOKEN), else from `file` (GATEWAY_TOKEN_FILE), else prompts for it.

        An empty value counts as not set: a compose file passes an unset variable as empty.
        Raises ConfigurationError if there is no token, or an invalid one.
        """
        if value and file:
            raise ConfigurationError("GATEWAY_TOKEN and GATEWAY_TOKEN_FILE are both set: set only one of them.")
        self._file = Path(file) if file else None
        self._value = _read(self._file) if self._file else _checked(value or _ask(), "GATEWAY_TOKEN")

    @property
    def value(self) -> str:
        """The token for the Authorization header."""
        return self._value

    def refresh(self) -> bool:
        """Reads the file again, if the token came from one. Returns whether it has changed.

        If the file is missing, empty or incomplete, the token stays: the replacement may be in progress.
        """
        if self._file is None:
            return False
        try:
            value = _read(self._file)
        except ConfigurationError:
            return False
        changed = value != self._value
        self._value = value
        return changed

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TokenCredentials(Mapping[str, str]):
    """The token as the credentials of an account: always the present one."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __getitem__(self, name: str) -> str:
        if name != "token":
            raise KeyError(name)
        return self._token.value

    def __iter__(self) -> Iterator[str]:
        return iter(("token",))

    def __len__(self) -> int:
        return 1


def _read(file: Path) -> str:
    try:
        # utf-8-sig: some editors put a byte order mark before the token.
        value = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_TOKEN_FILE: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        # From None: the error contains the bytes that it could not decode, which are the token.
        raise ConfigurationError(f"GATEWAY_TOKEN_FILE: {file} is not text") from None
    return _checked(value, "GATEWAY_TOKEN_FILE")


def _ask() -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(
            "There is no token for the gateway: set GATEWAY_TOKEN or GATEWAY_TOKEN_FILE, or start at a terminal"
        )
    try:
        return getpass.getpass("Token of the gateway: ")
    except EOFError:
        raise ConfigurationError("There is no token for the gateway: none was entered") from None


def _checked(value: str, source: str) -> str:
    """The token without the white space around it.

    RFC 6750 2.1 allows letters, digits and -._~+/= only. Gateways are less strict, so any visible ASCII is accepted: it
    can neither end the header nor begin another one.
    """
    value = value.strip()
    if not value:
        raise ConfigurationError(f"{source}: the token is empty")
    if not all("!" <= character <= "~" for character in value):
        raise ConfigurationError(f"{source}: the token must be ASCII letters, digits and signs, with no spaces inside")
    return value
