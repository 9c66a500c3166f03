"""Reading the declaration of signatures."""

from __future__ import annotations

import re
from datetime import timedelta

from shared.gateways.callbacks import MAX_AGE
from shared.gateways.declared.document import Table
from shared.gateways.declared.request_reader import HEADER_NAME, template_at
from shared.gateways.declared.signatures import BODY, TIMESTAMP, HmacContract, SignatureContract
from shared.gateways.declared.templates import Placeholder, Template

ALGORITHMS = ("sha1", "sha256", "sha512")
ENCODINGS = ("hex", "base64")

MAX_MAX_AGE = 86_400
"""Seconds."""

_PREFIX = re.compile(r"[\x21-\x7e]{0,40}")


def read_signature(root: Table, credentials: tuple[str, ...]) -> SignatureContract | None:
    """The table `signature`: a header with a secret value, or with an HMAC."""
    table = root.table("signature")
    if "signature" not in root.values:
        return None
    header = _read_header(table, "header", required=True)
    signed = _read_hmac(table) if "hmac" in table.values else None
    key = "value" if signed is None else "key"
    secret = template_at(table, key, credentials)
    table.finish()
    if secret is not None and not secret.names:
        table.mistake(key, "must have a credential: all else can be read in the contract")
    return SignatureContract(header or "", secret or Template(()), signed)


def _read_hmac(table: Table) -> HmacContract:
    algorithm = table.text("hmac", ALGORITHMS)
    encoding = table.text("encoding", ENCODINGS, required=True)
    prefix = table.text("prefix") or ""
    if not _PREFIX.fullmatch(prefix):
        table.mistake("prefix", "must have at most 40 printable ASCII characters without spaces")
    timestamp = _read_header(table, "timestamp")
    max_age = table.integer("max_age", 1, MAX_MAX_AGE)
    over = Template((Placeholder(BODY),))
    if "over" in table.values:
        over = template_at(table, "over", (BODY, TIMESTAMP)) or over
        if BODY not in over.names:
            table.mistake("over", f"must have {{{BODY}}}")
    if (TIMESTAMP in over.names) != (timestamp is not None):
        table.mistake(
            "over" if "over" in table.values else "timestamp",
            "and timestamp need each other: the header timestamp, and {timestamp} in over",
        )
    if max_age and timestamp is None:
        table.mistake("max_age", "needs timestamp")
    return HmacContract(
        algorithm=algorithm or ALGORITHMS[0],
        is_base64=encoding == "base64",
        prefix=prefix,
        over=over,
        timestamp=timestamp,
        max_age=timedelta(seconds=max_age) if max_age else MAX_AGE,
    )


def _read_header(table: Table, key: str, *, required: bool = False) -> str | None:
    """The name of a header, in lower case."""
    name = table.text(key, required=required)
    if name is None:
        return None
    if not HEADER_NAME.fullmatch(name):
        table.mistake(key, "must be the name of a header")
    return name.lower()
