"""Receipts: signed callbacks at a steady rate, each committed before it is answered, alone and beside dispatch."""

from __future__ import annotations

import argparse
import contextlib
import hmac
import secrets
import selectors
import socket
import time
from base64 import b64encode, urlsafe_b64encode
from collections import deque
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from benchmarks.api import bare_server
from benchmarks.benchmark import Benchmark, Discrepancy, Result, expect, microseconds
from benchmarks.environment import QUICK, Api, Environment
from benchmarks.mailings import Mailing, add_waiting_mailing
from benchmarks.postgres import ask, connect, run
from benchmarks.processes import Meter

PUBLIC_URL, TOKEN, CALLERS, WORKERS = "https://sms.example.com", "benchmark-token", 64, 2
DISPATCHED = 12_000
"""Messages a second at most, of which enough must wait."""
STORED = "SELECT (SELECT count(*) FROM receipt_queue) + (SELECT count(*) FROM receipt_orphan)"
COLUMNS = ("", "callbacks/s", "50 % within", "99 % within", "µs CPU server", "messages/s beside")


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Speed, latencies and CPU of Gonets and of a bare INSERT a request, alone and beside dispatch."""
    settings = {"PUBLIC_URL": PUBLIC_URL, "CREDENTIALS_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode()}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(environment.server.database("receipts"))
        api = stack.enter_context(environment.api(url, settings))
        bare, pid = stack.enter_context(bare_server(environment, url, "baseline_receipts:application"))
        servers = {"Gonets": (api.port, _path(api), api.pid), "one INSERT a request": (bare, "/v1/receipt/", pid)}
        rows = [_row(f"{name}, alone", url, server, options) for name, server in servers.items()]
        waiting = int(DISPATCHED * options.seconds * len(servers) * 1.5)
        mailing, _ = add_waiting_mailing(environment, api, url, waiting, environment.progress("adding messages"))
        gateway = stack.enter_context(environment.gateway())
        stack.enter_context(environment.workers(url, gateway, WORKERS, {**QUICK, "GATEWAY_RATE": str(options.rate)}))
        mailing.act("resume")
        rows += [_row(f"{name}, beside dispatch", url, server, options, mailing) for name, server in servers.items()]
        if not mailing.get()["messages"]["pending"]:
            raise Discrepancy("the messages ran out before the time did.")
    return Result.of(
        COLUMNS,
        rows,
        f"{options.rate:,.0f} signed callbacks a second over {CALLERS} connections, for {options.seconds:.0f} s "
        "each; a latency begins when a callback is due. The servers have 2 processes each, and share the machine "
        f"with the caller, and with {WORKERS} workers that dispatch as many messages to nginx.",
    )


def _path(api: Api) -> str:
    """The path of the receipts of a new gateway whose provider signs."""
    account = {"sender": "+15005550006", "options": {"account_sid": "AC0"}, "credentials": {"auth_token": TOKEN}}
    body = {"name": "receipts", "provider": "twilio", "receipts": True, **account}
    gateway = api.send("POST", "/v1/gateway/", json=body).json()
    addresses = api.send("GET", f"/v1/gateway/{gateway['id']}/callbacks/").json()
    return str(addresses["receipt_url"]).removeprefix(PUBLIC_URL)


def _row(
    title: str, url: str, server: tuple[int, str, int], options: argparse.Namespace, mailing: Mailing | None = None
) -> tuple[str, ...]:
    """One server for some seconds. Raises Discrepancy unless everything that it answered is stored."""
    port, path, pid = server
    requests = [_request(path, number) for number in range(int(options.rate * options.seconds))]
    with contextlib.closing(connect(url)) as connection:
        run(connection, "TRUNCATE receipt_queue, receipt_orphan")
        sent = mailing.get()["messages"]["sent"] if mailing else 0
        meter, began = Meter({"server": [pid]}), time.monotonic()
        took = _call(port, requests, options.rate)
        elapsed, cpu = time.monotonic() - began, meter.read()["server"]
        beside = (mailing.get()["messages"]["sent"] - sent) / elapsed if mailing else 0.0
        expect(f"{title}: callbacks stored", int(ask(connection, STORED)), len(requests))
    percentiles = [f"{1000 * seconds:,.1f} ms" for seconds in (quantiles(took, n=100)[49], quantiles(took, n=100)[98])]
    speed, cost = f"{len(took) / elapsed:,.0f}", microseconds(cpu, len(took))
    return (title, speed, *percentiles, cost, f"{beside:,.0f}" if mailing else "–")


def _request(path: str, number: int) -> bytes:
    fields = {"MessageSid": f"SM{secrets.token_hex(16)}", "MessageStatus": "delivered", "To": "+79161234567"}
    url = f"{path}?message={number + 1}"
    signed = f"{PUBLIC_URL}{url}" + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    signature = b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
    body = urlencode(fields)
    head = f"POST {url} HTTP/1.1\r\nHost: localhost\r\nX-Twilio-Signature: {signature}\r\n"
    return (
        f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )


def _call(port: int, requests: list[bytes], rate: float) -> list[float]:
    """Sends each request when it is due; the seconds from then to its answer. Raises Discrepancy for a refusal."""
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        free: deque[Any] = deque()
        for _ in range(CALLERS):
            free.append(wire := stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            selector.register(wire, selectors.EVENT_READ)
        due, took, sent, began = dict[Any, float](), list[float](), 0, time.monotonic()
        while len(took) < len(requests):
            while free and sent < len(requests) and began + sent / rate <= time.monotonic():
                due[wire := free.popleft()] = began + sent / rate
                wire.send(requests[sent])
                sent += 1
            pause = began + sent / rate - time.monotonic() if free and sent < len(requests) else 1.0
            for key, _ in selector.select(max(0.0, pause)):
                if not (answer := key.fileobj.recv(65_536)).startswith(b"HTTP/1.1 204 "):  # type: ignore[union-attr]
                    raise Discrepancy(f"a callback was answered with {answer[:200]!r}")
                took.append(time.monotonic() - due.pop(key.fileobj))
                free.append(key.fileobj)
    return took


BENCHMARK = Benchmark(
    measure,
    short="--seconds 2",
    rate=(2000.0, "callbacks a second"),
    seconds=(10.0, "of each server, alone and beside dispatch"),
)
