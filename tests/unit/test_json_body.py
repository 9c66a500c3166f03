"""Which bodies are JSON, and which are not quite."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import BadRequest

from api.http.json_body import strict_json


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        (b'{"a": "\xd0\x9f"}', {"a": "П"}),
        (b' {"a": [1, 2.5, true, null]} ', {"a": [1, 2.5, True, None]}),
        (b"[]", []),
        (b"null", None),
        (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_json_is_read(body: bytes, meant: object) -> None:
    assert strict_json(body) == meant


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Expecting value at line 1 column 1"),
        (b"{", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 1,}', "is not JSON"),
        (b'{"a": 1} {"a": 1}', "Extra data"),
        (b'{"a": "\n"}', "Invalid control character"),
        (b'{"a": NaN}', "there is no NaN"),
        (b'{"a": Infinity}', "there is no Infinity"),
        (b'{"a": -Infinity}', "there is no -Infinity"),
        (b'{"a": "\xff"}', "is not UTF-8: byte 7"),
        ('{"a": "П"}'.encode("utf-16"), "is not UTF-8"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "is not JSON"),
        (b'\xef\xbb\xbf{"a": "\xff"}', "is not UTF-8: byte 10"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 50_000, "nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": 1, "a": 2}', '"a" more than once'),
        (b'{"b": {"a": 1, "c": 1, "a": 1}}', '"a" more than once'),
        (b'{"a": 1, "\\u0061": 2}', '"a" more than once'),
        (b'{"\\ud800": 1}', "half of a surrogate pair"),
    ],
)
def test_what_is_not_quite_json_is_refused_and_told_why(body: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        strict_json(body)
    assert said in str(refused.value.description)
