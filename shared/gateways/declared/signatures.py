"""Signatures of callbacks: a header that has a secret value, or an HMAC over the body."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.gateways.base import Callback, CallbackRejectedError
from shared.gateways.callbacks import check_age, check_signature, unix_time_of
from shared.gateways.declared.templates import Placeholder, Template

BODY, TIMESTAMP = "body", "timestamp"
"""The placeholders of what an HMAC covers."""

_LATEST_SECONDS = 10**11
"""Greater numbers are milliseconds: in seconds it would be the year 5138."""


@dataclass(frozen=True, slots=True)
class HmacContract:
    """An HMAC (RFC 2104)."""

    algorithm: str
    """Its name in `hashlib`."""
    is_base64: bool
    """Or hexadecimal, in lower case."""
    prefix: str
    """What stands before it."""
    over: Template
    """What it covers: BODY, and TIMESTAMP if it is signed as well."""
    timestamp: str | None
    """The header with the time of the signature, in lower case."""
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class SignatureContract:
    """How callbacks are signed."""

    header: str
    """In lower case."""
    secret: Template
    """The value of the header, or the key of the HMAC."""
    hmac: HmacContract | None


class Signature:
    """Checks the callbacks of an account. Any thread may use it."""

    def __init__(self, contract: SignatureContract, constants: Mapping[str, str]) -> None:
        self._contract = contract
        self._secret = contract.secret.fill(constants).encode()

    def check(self, callback: Callback) -> None:
        """Raises CallbackRejectedError for a signature that is missing, wrong or too old."""
        header, contract = callback.headers.get(self._contract.header), self._contract.hmac
        if contract is None:
            check_signature(self._secret, header)
            return
        if not callback.body:
            # Its signature would fit every other callback without a body.
            raise CallbackRejectedError("The signed body is empty.")
        stamp = callback.headers.get(contract.timestamp, "") if contract.timestamp else ""
        signed = _filled(contract.over, callback.body, stamp)
        digest = hmac.digest(self._secret, signed, contract.algorithm)
        text = base64.b64encode(digest).decode() if contract.is_base64 else digest.hex()
        check_signature(contract.prefix + text, header)
        if contract.timestamp:
            check_age(_time_of(stamp), callback, contract.max_age)


def _filled(over: Template, body: bytes, stamp: str) -> bytes:
    values = {BODY: body, TIMESTAMP: stamp.encode("utf-8", "surrogateescape")}
    return b"".join(values[part.name] if isinstance(part, Placeholder) else part.encode() for part in over.parts)


def _time_of(stamp: str) -> datetime | None:
    """In seconds or milliseconds since 1970, or by ISO 8601; without an offset in UTC."""
    if stamp.isascii() and stamp.isdigit() and len(stamp) < 20:
        return unix_time_of(int(stamp) / (1000 if int(stamp) > _LATEST_SECONDS else 1))
    try:
        read = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
