"""The reader of responses, with responses that arrive in pieces of every size."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from worker.http.response_reader import LastResponse, ResponseReader

LIMIT = 100
BODY = b'{"code": 0, "message": "OK"}'

SOUND = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\nX: a\r\nx: b\r\n\r\n" + BODY, True),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: a\r\nX: b\r\n\r\ne\r\n"
        + BODY[:14]
        + b"\r\nE ;extension=1\r\n"
        + BODY[14:]
        + b"\r\n0\r\n\r\n",
        True,
    ),
    "interim responses": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200\r\nContent-Length: 28\r\nX: a\r\nX:b\r\n\r\n" + BODY,
        True,
    ),
    "the connection is to be closed": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\nConnection: close\r\nX: a\r\nX: b\r\n\r\n" + BODY,
        False,
    ),
    "lines without CR": (b"HTTP/1.1 200 OK\nContent-Length: 28\nX: a\nX: b\n\n" + BODY, True),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 28\r\nX: a\r\nX: b\r\n\r\n" + BODY, False),
}
"""Responses with the same status, body and headers X, and whether the connection may be used again."""


def read(data: bytes, size: int, reader: ResponseReader | None = None) -> ResponseReader:
    """What a reader makes of pieces of that size."""
    reader = reader or ResponseReader(LIMIT)
    reader.begin()
    for at in range(0, len(data), size):
        ended = reader.feed(data[at : at + size])
        assert ended == (reader.is_complete or reader.error is not None)
        assert not (ended and reader.error is None and at + size < len(data))
        if ended:
            break
    return reader


@pytest.mark.parametrize(("data", "kept"), SOUND.values(), ids=SOUND.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_response_is_read_in_pieces_of_any_size(data: bytes, kept: bool, size: int) -> None:
    reader = ResponseReader(LIMIT)

    for _ in range(1 + kept):  # a kept connection has another one
        read(data, size, reader)

        assert reader.is_complete
        assert (reader.status, reader.body, reader.error) == (200, BODY, None)
        assert reader.headers["X"] == "a, b"
        assert reader.may_be_followed is kept


@pytest.mark.parametrize("data", [data for data, _ in SOUND.values()], ids=SOUND.keys())
def test_a_response_that_is_cut_off_anywhere_is_none(data: bytes) -> None:
    for length in range(len(data)):
        reader = read(data[:length], 1000)
        assert not reader.is_complete

        reader.end()

        assert not reader.is_complete
        nothing = not length or (data[:length].endswith(b"\r\n\r\n") and b"200" not in data[:length])
        expected = "the connection was closed without an answer" if nothing else "the answer was cut short"
        assert str(reader.error) == expected
        assert not reader.may_be_followed


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_a_body_without_a_length_ends_with_the_connection(head: bytes) -> None:
    reader = read(head + BODY, 5)
    assert not reader.is_complete

    reader.end()

    assert (reader.is_complete, reader.status, reader.body, reader.error) == (True, 200, BODY, None)
    assert not reader.may_be_followed


@pytest.mark.parametrize("more", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"\x00", b"{}"])
def test_what_follows_a_response_is_not_taken_for_the_next_one(more: bytes) -> None:
    data, _ = SOUND["a length"]

    reader = read(data + more, 1000)

    assert (reader.is_complete, reader.status, reader.body, reader.error) == (True, 200, BODY, None)
    assert reader.headers["X"] == "a, b"
    assert not reader.may_be_followed


@pytest.mark.parametrize("size", [1, 9, 1000])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(size: int) -> None:
    for length, error in ((LIMIT, "None"), (LIMIT + 1, "answer too large")):
        for framed in (
            b"Content-Length: %d\r\n\r\n" % length + b" " * length,
            b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * length + b"0\r\n\r\n",
        ):
            reader = read(b"HTTP/1.1 200 OK\r\n" + framed, size)

            assert (reader.status, str(reader.error)) == (200, error)


def endless(start: bytes, piece: bytes) -> ResponseReader:
    reader = ResponseReader(LIMIT)
    assert not reader.feed(start)
    for count in itertools.count():
        if reader.feed(piece):
            return reader
        assert count * len(piece) < 1_000_000, "nothing ends it"
    raise AssertionError


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100),
        (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"00001\r\n \r\n"),
    ],
)
def test_a_response_without_an_end_is_an_error(start: bytes, piece: bytes) -> None:
    reader = endless(start, piece)

    assert not reader.is_complete
    assert reader.error is not None
    assert not reader.may_be_followed


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_1_is_no_response(data: bytes) -> None:
    reader = read(data, 1000)

    assert reader.error is not None
    assert not reader.is_complete
    assert not reader.may_be_followed


BROKEN = (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"no HTTP", SOUND["a length"][0] + b"H", b"\r\n")
INTERIM = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 103\r\nConnection: close\r\n\r\n")


class NoResponse(LastResponse):
    """Keeps none: its reader parses every response."""

    data = property(lambda self: b"", lambda self, data: None)


def told(reader: ResponseReader) -> tuple[object, ...]:
    """What a reader tells about a response."""
    tells = (reader.status, reader.body, dict(reader.headers), reader.is_complete, reader.may_be_followed)
    return *tells, str(reader.error)


@pytest.mark.parametrize("seed", range(20))
def test_readers_that_share_the_last_response_tell_the_same_as_others(seed: int) -> None:
    random = Random(seed)
    last = LastResponse()
    connections = [(ResponseReader(LIMIT, last), ResponseReader(LIMIT, NoResponse())) for _ in range(3)]
    for _ in range(300):
        place = random.randrange(len(connections))
        sharing, other = connections[place]
        sound = [before + data for before in (b"", *INTERIM) for data, _ in SOUND.values()]
        data = random.choice([*sound, *BROKEN])
        # In one piece, in small ones, or the body apart: then pieces are often equal.
        size = random.choice([1000, 1000, 1000, 7, max(1, len(data) - len(BODY))])

        assert told(read(data, size, sharing)) == told(read(data, size, other))

        if not other.may_be_followed:  # another connection takes its place
            connections[place] = ResponseReader(LIMIT, last), ResponseReader(LIMIT, NoResponse())


@pytest.mark.parametrize("interim", INTERIM)
@pytest.mark.parametrize("at", [0, -len(BODY)])
def test_what_follows_an_interim_response_is_parsed_and_no_part_of_it_taken_for_all(interim: bytes, at: int) -> None:
    last, (data, _) = LastResponse(), SOUND["a length"]
    read(data, 1000, ResponseReader(LIMIT, last))
    sharing, other = ResponseReader(LIMIT, last), ResponseReader(LIMIT, NoResponse())
    whole, at = interim + data, at or len(interim)
    for _ in range(3):
        for reader in (sharing, other):
            reader.begin()
            _ = reader.feed(whole[:at]) or reader.feed(whole[at:])

        assert told(sharing) == told(other)


def test_a_response_that_equals_the_last_one_of_another_connection_is_not_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last, (data, _) = LastResponse(), SOUND["a length"]
    expected = told(read(data, 1000, ResponseReader(LIMIT, last)))
    monkeypatch.delattr(ResponseReader, "on_headers_complete")

    assert told(read(data, 1000, ResponseReader(LIMIT, last))) == expected
