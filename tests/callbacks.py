"""Gateways that are called back, and signed callbacks of Twilio, for tests."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

from cryptography.fernet import Fernet
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from tests.factories import add_gateway, execute, value

KEY = Fernet.generate_key().decode()
"""Of the credentials."""

PUBLIC_URL = "https://sms.example.com"
SECRET = "the-auth-token-of-twilio"
NUMBER, TEXT = "79161234567", "A secret answer"
"""What must not be logged."""


def add_twilio(connection: Connection, name: str = "twilio-1", secret: str = SECRET) -> int:
    """A gateway whose provider signs receipts and inbound messages."""
    gateway_id = add_gateway(connection, name, provider="twilio")
    execute(
        connection,
        "UPDATE gateway SET sender = '+15005550006', options = jsonb_build_object('account_sid', %s::text),"
        " credentials = %s, receipts = true WHERE id = %s",
        "AC" + "0" * 32,
        CredentialCipher([KEY]).encrypt({"auth_token": secret}),
        gateway_id,
    )
    return gateway_id


def path_to(connection: Connection, gateway_id: int, kind: str = "receipt") -> str:
    """The path that the provider of a gateway calls."""
    found = value(connection, "SELECT name || '/' || callback_token FROM gateway WHERE id = %s", gateway_id)
    return f"/v1/{kind}/{found}"


def receipt_fields(sid: str = "SM1", status: str = "delivered") -> dict[str, str]:
    """What Twilio says of a message."""
    return {"MessageSid": sid, "MessageStatus": status, "To": f"+{NUMBER}", "From": "+15005550006"}


def inbound_fields(sid: str = "SM2") -> dict[str, str]:
    """What Twilio says of a message to us."""
    return {"MessageSid": sid, "From": f"+{NUMBER}", "To": "+15005550006", "Body": TEXT}


def signature_of(path: str, fields: Mapping[str, str], secret: str = SECRET, base: str = PUBLIC_URL) -> str:
    """Twilio's signature of a form that is sent to a path."""
    signed = f"{base}{path}" + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return b64encode(hmac.digest(secret.encode(), signed.encode(), "sha1")).decode()


def form(path: str, fields: Mapping[str, str], **changes: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a signed form."""
    signature = signature_of(path, fields, **changes)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return headers, urlencode(fields).encode()
