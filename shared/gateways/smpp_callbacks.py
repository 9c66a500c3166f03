"""Callbacks of programs that pass on what an SMSC says: forms of bytes in any encoding, texts in the encoding that
`data_coding` names (SMPP 3.4, 5.2.19; 3GPP TS 23.038), and headers of parts (3GPP TS 23.040, 9.2.3.24)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from shared.domain.text_segments import ESCAPE, EXTENDED_SEPTETS, SEPTETS
from shared.gateways.base import MAX_FIELDS, MESSAGE_PARAMETER, Callback, message_id_of

CODINGS: Mapping[int, str] = {1: "ascii", 3: "latin-1", 6: "iso8859_5", 7: "iso8859_8", 8: "utf-16-be"}
"""Python's names of the encodings; 0 is the default alphabet of the SMSC, here that of GSM, unpacked."""

BINARY = frozenset({2, 4})

GSM, EIGHT_BIT, UCS_2 = 0x00, 0x04, 0x08
"""The bits 0x0c of a data coding of TS 23.038 (those above 0x0f), such as 0x18 or 0xf0."""


class Concatenation(NamedTuple):
    """What a header says of a part of a longer text."""

    reference: int
    part: int
    parts: int


def bytes_of(callback: Callback) -> dict[str, bytes]:
    """The fields of a form, or of the query if there is no body, as bytes: they may be in any encoding, and the
    beginning of a text may stand in one that decides nothing.

    Raises ValueError for what is neither.
    """
    return _fields_in(callback.body) if callback.body else query_bytes_of(callback)


def query_bytes_of(callback: Callback) -> dict[str, bytes]:
    """The same of the query alone."""
    return _fields_in(callback.url.partition("?")[2].encode("utf-8", "replace"))


def message_id_in(callback: Callback) -> int | None:
    """Our id in the query."""
    return message_id_of(line_in(query_bytes_of(callback), MESSAGE_PARAMETER))


def _fields_in(encoded: bytes) -> dict[str, bytes]:
    pairs = parse_qsl(encoded.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FIELDS)
    return {name: value.encode("latin-1") for name, value in pairs}


def line_in(fields: Mapping[str, bytes], name: str) -> str:
    """A field as a text; empty if it is not there. What is no UTF-8 becomes U+FFFD."""
    return fields.get(name, b"").decode("utf-8", "replace")


def text_of(content: bytes, data_coding: int) -> str:
    """The text of a message; in hexadecimal if it is none. What cannot be decoded becomes U+FFFD."""
    if data_coding > 0x0F:
        data_coding = {GSM: 0, EIGHT_BIT: 4, UCS_2: 8}.get(data_coding & 0x0C, 4)
    if data_coding == 0:
        return gsm_text_of(content)
    if encoding := CODINGS.get(data_coding):
        return content.decode(encoding, "replace")
    return content.hex()


def gsm_text_of(septets: bytes) -> str:
    """A text of the GSM alphabet, one septet in each byte."""
    characters, escaped = [], False
    for value in septets:
        if value == ESCAPE and not escaped:
            escaped = True
            continue
        basic = SEPTETS[value] if value < len(SEPTETS) else "\ufffd"
        # TS 23.038, 6.2.1.1: what the table does not have is shown as the same character of the basic one.
        characters.append(EXTENDED_SEPTETS.get(value, basic) if escaped else basic)
        escaped = False
    return "".join(characters)


def concatenation_in(header: bytes) -> Concatenation | None:
    """The part that a user data header names, with an 8-bit or a 16-bit reference; None if it names none."""
    at = 1
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (element, length, len(value)) in ((0x00, 3, 3), (0x08, 4, 4)):
            return Concatenation(int.from_bytes(value[:-2], "big"), value[-1], value[-2])
        at += 2 + length
    return None
