"""libcurl with no database: how fast a message can leave this machine at all.

    python -m benchmarks.baseline_clients threads|multi URL FIRST COUNT

Says "ready", begins when it is written a line, and stays until it is ended.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable

from benchmarks.curl import CurlMulti, Request, expect_status, new_handle, prepare
from benchmarks.messages import HEADERS, body, path

THREADS, HANDLES = 16, 64
"""Requests on their way at once: with threads, and with CurlMulti."""


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


def main(kind: str, url: str, first: str, count: str) -> None:
    ids = range(int(first), int(first) + int(count))
    print("ready", flush=True)
    sys.stdin.readline()
    send_in_threads(url, ids) if kind == "threads" else send_by_multi(CurlMulti(HANDLES, HEADERS), url, ids)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
