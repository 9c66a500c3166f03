"""The simplest senders: libcurl with no database, which is how fast a message can leave this machine at all, and loops
with one process and one connection that record, without results of attempts, leases and retries.

    python -m benchmarks.baselines threads|multi URL FIRST COUNT
    python -m benchmarks.baselines single|batches URL DATABASE_URL

single: select a message, post it, update it, commit. batches: claim 500, send them over CurlMulti, record them in one
commit. Says "ready", begins when it is written a line, and stays until it is ended.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import psycopg2
import pycurl
import requests

from shared.errors import GonetsError

HEADERS = {"Authorization": "Bearer benchmark", "Content-Type": "application/json"}
TEXT = "The same text for everybody"
FIRST_PHONE = 79_000_000_000
TABLES = """
CREATE TABLE task_message (
    id bigint PRIMARY KEY, phone_number bigint NOT NULL, text text NOT NULL,
    status text NOT NULL DEFAULT 'pending', sent_at timestamptz
);
CREATE INDEX ON task_message (id) WHERE status = 'pending';
"""
"""For those who keep no status of their own: the least that a ledger needs."""
FILL = """
INSERT INTO task_message (id, phone_number, text) SELECT number, %s + number, %s FROM generate_series(1, %s) AS number
"""
THREADS, HANDLES = 16, 64
"""Requests on their way at once: with threads, and with CurlMulti."""
BATCH = 500
SELECT = "SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
CLAIM = """
UPDATE task_message SET status = 'sending' WHERE id = ANY(ARRAY(
    SELECT id FROM task_message WHERE status = 'pending' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, phone_number, text
"""
RECORD = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY(%s)"


class Request(NamedTuple):
    """What is sent."""

    method: str
    url: str
    body: bytes | None = None


class CurlMulti:
    """So many handles with the same headers."""

    def __init__(self, handles: int, headers: Mapping[str, str]) -> None:
        self._multi = pycurl.CurlMulti()
        self._handles = [new_handle(headers) for _ in range(handles)]

    def send(self, next_request: Callable[[], Request | None], answered: Callable[[pycurl.Curl], None]) -> None:
        """Sends on each handle one request after another until there is none; returns when all have been answered.

        Raises GonetsError when one has no answer.
        """
        under_way = sum(self._begin(curl, next_request()) for curl in self._handles)
        while under_way:
            self._multi.perform()
            left = 1
            while left:
                left, done, failed = self._multi.info_read()
                if failed:
                    raise GonetsError(failed[0][2])
                for curl in done:
                    answered(curl)
                    self._multi.remove_handle(curl)
                    under_way -= not self._begin(curl, next_request())
            self._multi.select(0.1)

    def _begin(self, curl: pycurl.Curl, request: Request | None) -> bool:
        if request is None:
            return False
        prepare(curl, request)
        self._multi.add_handle(curl)
        return True


def new_handle(headers: Mapping[str, str]) -> pycurl.Curl:
    """A libcurl handle that throws answers away."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
    curl.setopt(pycurl.WRITEFUNCTION, lambda _answer: None)
    return curl


def prepare(curl: pycurl.Curl, request: Request) -> None:
    """Gives a handle a request."""
    curl.setopt(pycurl.URL, request.url)
    curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    if request.body is not None:
        curl.setopt(pycurl.POSTFIELDS, request.body)


def expect_status(curl: pycurl.Curl, status: int = 200) -> None:
    """Raises GonetsError unless the answer has that status."""
    if (found := curl.getinfo(pycurl.RESPONSE_CODE)) != status:
        raise GonetsError(f"{curl.getinfo(pycurl.EFFECTIVE_URL)} was answered with {found}")


def path(message_id: int) -> str:
    """Where a message goes to, below the gateway's address."""
    return f"/send/{message_id}"


def body(message_id: int) -> bytes:
    """What is sent of a message."""
    return json.dumps({"id": message_id, "phone": FIRST_PHONE + message_id, "text": TEXT}).encode()


def request(url: str, message_id: int) -> Request:
    """The request for a message."""
    return Request("POST", url + path(message_id), body(message_id))


def send_by_multi(multi: CurlMulti, url: str, ids: Iterable[int]) -> None:
    """One thread, with many requests at once."""
    requests = (request(url, message_id) for message_id in ids)
    multi.send(lambda: next(requests, None), expect_status)


def send_in_threads(url: str, ids: range) -> None:
    """Threads with one libcurl handle each, and a share of the messages."""

    def send(share: range) -> None:
        curl = new_handle(HEADERS)
        for message_id in share:
            prepare(curl, request(url, message_id))
            curl.perform()
            expect_status(curl)

    threads = [threading.Thread(target=send, args=(ids[place::THREADS],)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def record_in_loop(kind: str, url: str, database_url: str) -> None:
    """Sends and records until no message waits."""
    connection, session, multi = psycopg2.connect(database_url), requests.Session(), CurlMulti(HANDLES, HEADERS)
    wait_to_begin()
    with connection.cursor() as cursor:
        ids = [0]
        while ids:
            cursor.execute(*((SELECT,) if kind == "single" else (CLAIM, (BATCH,))))
            ids = [row[0] for row in cursor.fetchall()]
            if kind == "single":
                for message_id in ids:
                    answer = session.post(url + path(message_id), data=body(message_id), headers=HEADERS, timeout=10)
                    answer.raise_for_status()
            else:
                connection.commit()
                send_by_multi(multi, url, ids)
            cursor.execute(RECORD, (ids,))
            connection.commit()


def wait_to_begin() -> None:
    """Says that all is ready."""
    print("ready", flush=True)
    sys.stdin.readline()


def main(kind: str, url: str, *rest: str) -> None:
    if kind in ("single", "batches"):
        record_in_loop(kind, url, *rest)
    else:
        first, count = map(int, rest)
        wait_to_begin()
        ids = range(first, first + count)
        send_in_threads(url, ids) if kind == "threads" else send_by_multi(CurlMulti(HANDLES, HEADERS), url, ids)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
