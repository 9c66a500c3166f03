"""What a body costs to check grows with its size, and no faster, whatever is wrong with it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress

import marshmallow as ma
import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from api import create_app
from api.clients.csv_parser import open_csv
from api.clients.line_reader import LineReader
from api.clients.ndjson_parser import NdjsonFile
from api.clients.row_validation import RowValidator
from api.clients.schemas import ClientBody
from api.database_url import database_url
from api.http.csv_files import escape_formula, unescape_formula
from api.http.json_body import strict_json
from api.http.safe_redirect import local_address
from api.mailings.schemas import MailingBody
from api.settings import ApiSettings
from shared.domain.lookalikes import replace_lookalikes
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.tag_normalization import normal
from shared.domain.text_segments import segments_of
from tests.integration.api.calls import caller

TIMES = 8
TOO_MUCH = 24.0
"""Linear work takes 8 times as long for 8 times the size, quadratic work 64 times."""
LOOKS = 10
ROW = {"operator_code": "916", "tag": "", "timezone": "UTC"}
HEADER = "phone_number,operator_code,tag,timezone\n"

judge = RowValidator(PhoneNumbers())

Check = Callable[[str], object]


def parse(body: str) -> None:
    with suppress(HTTPException):
        strict_json(body.encode("utf-8", "surrogatepass"))


def load(schema: ma.Schema) -> Check:
    def check(body: str) -> None:
        with suppress(ma.ValidationError):
            schema.load(strict_json(body.encode()))

    return check


def read_csv(text: str) -> None:
    with suppress(HTTPException):
        for _, row, _ in open_csv(LineReader(io.BytesIO((HEADER + text).encode()))).rows():
            judge(row)


def read_ndjson(text: str) -> None:
    with suppress(HTTPException):
        for _, row, _ in NdjsonFile(LineReader(io.BytesIO(text.encode()), "utf-8")).rows():
            judge(row)


def names(count: int, form: str = '"a%d":1') -> str:
    return ",".join(form % number for number in range(count))


CASES: dict[str, tuple[Check, Callable[[int], str], int]] = {
    "a name that comes last twice": (parse, lambda n: "{" + names(n) + ',"z":1,"z":2}', 2000),
    "a name that comes at the ends": (parse, lambda n: '{"z":1,' + names(n) + ',"z":2}', 2000),
    "one name only": (parse, lambda n: "{" + ",".join(['"a":1'] * n) + "}", 4000),
    "many objects with a repeated name": (
        parse,
        lambda n: "[" + ",".join(['{"a":1,"b":2}'] * n) + ',{"a":1,"a":2}]',
        2000,
    ),
    "long names": (parse, lambda n: '{"' + "a" * n + '":1,"' + "a" * n + '":1}', 200_000),
    "depth": (parse, lambda n: '{"a":' * n + "1" + "}" * n, 100),
    "numbers of many digits": (parse, lambda n: "[" + ",".join(["7" * 4000] * n) + "]", 10),
    "fractions of many digits": (parse, lambda n: "[0." + "7" * n + "]", 100_000),
    "exponents of many digits": (parse, lambda n: "[1e-" + "7" * n + "]", 100_000),
    "half surrogates": (parse, lambda n: '["' + "\\ud83d" * n + '"]', 20_000),
    "strings of blanks": (parse, lambda n: " " * n + '"' + " " * n, 200_000),
    "unknown names of a client": (load(ClientBody()), lambda n: "{" + names(n) + "}", 1000),
    "unknown names of a mailing": (load(MailingBody()), lambda n: "{" + names(n) + "}", 1000),
    "a long text": (load(MailingBody()), lambda n: '{"text":"' + " " * n + '","mark":"' + "x " * n + '"}', 100_000),
    "a long date": (load(MailingBody()), lambda n: '{"start_datetime":"2032-06-02T18:25:43.' + "1" * n + '"}', 100_000),
    "a long phone number": (load(ClientBody()), lambda n: '{"phone_number":"+' + "7" * n + '"}', 100_000),
    "a phone number of blanks": (load(ClientBody()), lambda n: '{"phone_number":"' + " " * n + '"}', 30_000),
    "a written number of blanks": (lambda text: judge({**ROW, "phone_number": text}), lambda n: "( " * n, 20_000),
    "a written number of dashes": (lambda text: judge({**ROW, "phone_number": text}), lambda n: "7-" * n, 20_000),
    "a written number of many": (lambda text: judge({**ROW, "phone_number": text}), lambda n: "+7 ;" * n, 10_000),
    "a tag of white space": (normal, lambda n: "\xa0a " * n + " " * n, 50_000),
    "a long operator code": (load(ClientBody()), lambda n: '{"operator_code":"' + "7" * n + '"}', 100_000),
    "lines of an import": (read_ndjson, lambda n: ("{" + names(50) + ',"z":1,"z":2}\n') * n, 50),
    "a long line of an import": (read_ndjson, lambda n: "x" * n, 500_000),
    "one cell": (read_csv, lambda n: '"' + "a" * n, 500_000),
    "quotes": (read_csv, lambda n: '"' * n, 50_000),
    "many columns": (read_csv, lambda n: "," * n + "\n", 50_000),
    "many short rows": (read_csv, lambda n: "x\n" * n, 2000),
    "carriage returns": (read_csv, lambda n: "\r" * n, 20_000),
    "rows that are wrong": (read_csv, lambda n: "x,y,z,a\n" * n, 100),
    "segments": (lambda text: segments_of(text), lambda n: "€" * n, 5000),
    "look-alikes": (replace_lookalikes, lambda n: "\u2014" * n, 5000),
    "outputs that do not end": (replace_lookalikes, lambda n: "{{" * n, 5000),
    "cells with quotes": (lambda text: (escape_formula(text), unescape_formula(text)), lambda n: "'" * n, 500_000),
    "an address to go on to": (lambda text: local_address(text, "/"), lambda n: "/" + "a/" * n, 200_000),
}


def is_linear(check: Check, small: str, large: str) -> bool:
    """Whether the large one takes at most TOO_MUCH times as long. A busy machine may hide that from one look or two;
    what is quadratic never looks like it.
    """
    small_seconds = max(min(seconds(check, small) for _ in range(5)), 0.0002)
    return any(seconds(check, large) < TOO_MUCH * small_seconds for _ in range(5 * LOOKS))


def seconds(check: Check, given: str) -> float:
    """How long it took, by this process's own clock."""
    begun = time.process_time()
    check(given)
    return time.process_time() - begun


@pytest.mark.parametrize("name", CASES)
def test_a_check_takes_time_by_size(name: str) -> None:
    check, make, size = CASES[name]
    assert is_linear(check, make(size), make(TIMES * size))


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(ApiSettings(database_url=database_url("postgresql://nowhere"), secret_key=16 * "x"))


@pytest.mark.parametrize("form", ["a%d=1", "limit=%d", "%%00%d", "a"])
def test_a_query_takes_time_by_size(app: Flask, form: str) -> None:
    api = caller(app)

    def ask(query: str) -> None:
        assert api.get("/v1/statistics/", query_string=query).status_code == 422

    def query(count: int) -> str:
        return "&".join(form % number if "%d" in form else form for number in range(count))

    assert is_linear(ask, query(500), query(TIMES * 500))


@pytest.mark.parametrize(
    ("content_type", "piece"),
    [
        ("application/x-www-form-urlencoded", "key=1&"),
        ("application/x-www-form-urlencoded", "%00"),
        ("multipart/form-data; boundary=x", "\r\n"),
        ("multipart/form-data; boundary=x", "--x\r\n"),
        ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'),
    ],
)
def test_a_form_takes_time_by_size(app: Flask, content_type: str, piece: str) -> None:
    browser = caller(app, None)

    def send(body: str) -> None:
        answer = browser.post("/login/", data=body.encode(), content_type=content_type)
        assert answer.status_code in (403, 413)

    def body(size: int) -> str:
        return ("" if "multipart" not in content_type else "--x\r\n") + piece * (size // len(piece))

    assert is_linear(send, body(8_000), body(64_000))
