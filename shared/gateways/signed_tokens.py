"""JSON Web Tokens that are signed with a shared secret (RFC 7519, RFC 7515, HS256 of RFC 7518 3.2)."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hmac import compare_digest, digest

from shared.gateways.answer_fields import Fields
from shared.gateways.base import CallbackRejectedError
from shared.gateways.http_statuses import json_object

ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
"""Names of hash functions. All of them need the secret: there is no `none`, and no public key to take for one."""


def claims_of(token: str, secret: str) -> Fields:
    """The claims of a token. Raises CallbackRejectedError if it is none, or not signed with the secret.

    Its times and issuer are not checked here.
    """
    head, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    header, claims = json_object(_decoded(head)), json_object(_decoded(payload))
    named = header.get("alg") if header else None
    algorithm = ALGORITHMS.get(named) if isinstance(named, str) else None
    if header is None or claims is None or algorithm is None or "crit" in header:
        raise CallbackRejectedError("The signature is not a signed token.")
    ours = digest(secret.encode(), f"{head}.{payload}".encode("utf-8", "surrogateescape"), algorithm)
    # In its only spelling: other last characters of base64 may stand for the same bytes.
    expected = urlsafe_b64encode(ours).rstrip(b"=")
    if not compare_digest(expected, signature.encode("utf-8", "surrogateescape")):
        raise CallbackRejectedError("The signature is wrong.")
    return claims


def _decoded(part: str) -> bytes:
    """The bytes of base64 by RFC 4648 5, without padding; none if it is no base64."""
    try:
        return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""
