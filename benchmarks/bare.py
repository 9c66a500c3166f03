"""HTTP clients with no database: how fast a message can leave this machine at all.

    python -m benchmarks.bare curl|http|session --url http://127.0.0.1:8090 --threads 16 --first 1 --count 15000

Says "ready" and begins when it is told a line; says "done" and stays until it is told another, or ended.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pycurl
import requests

from benchmarks.messages import HEADERS, body, path

Client = Callable[[str, range], None]
"""Sends the messages of a range, one after another over one connection."""


def send_by_curl(url: str, ids: range) -> None:
    """One libcurl handle."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.WRITEFUNCTION, lambda _answer: None)
    for message_id in ids:
        curl.setopt(pycurl.URL, url + path(message_id))
        curl.setopt(pycurl.POSTFIELDS, body(message_id))
        curl.perform()
        _check(curl.getinfo(pycurl.RESPONSE_CODE))
    curl.close()


def send_by_http(url: str, ids: range) -> None:
    """One http.client connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for message_id in ids:
        connection.request("POST", path(message_id), body(message_id), HEADERS)
        answer = connection.getresponse()
        answer.read()
        _check(answer.status)
    connection.close()


def send_by_session(url: str, ids: range) -> None:
    """One requests.Session."""
    with requests.Session() as session:
        for message_id in ids:
            answer = session.post(url + path(message_id), data=body(message_id), headers=HEADERS, timeout=10)
            _check(answer.status_code)


CLIENTS: dict[str, Client] = {"curl": send_by_curl, "http": send_by_http, "session": send_by_session}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare", description=__doc__)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    ids = range(options.first, options.first + options.count)
    send = CLIENTS[options.client]
    threads = [
        threading.Thread(target=send, args=(options.url, ids[place :: options.threads]))
        for place in range(options.threads)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done", flush=True)
    sys.stdin.readline()


def _check(status: int) -> None:
    if status != 200:
        raise RuntimeError(f"the gateway answered {status}")


if __name__ == "__main__":
    main()
