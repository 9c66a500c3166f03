"""The API under many callers at once, beside bare flask-smorest with one query a call, on the same PostgreSQL.

    python -m benchmarks.callers [--callers 200] [--seconds 5]

Each caller has a connection of its own, and asks again as soon as it is answered. Ours is served as `make run` serves
it; the bare application by gunicorn's own threads, with as many processes and threads. The two take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from benchmarks.api import CALLS, CLIENTS, MAILINGS, Call, fill
from benchmarks.apis import Api
from benchmarks.gateways import wait_until_it_answers
from benchmarks.ledger import Discrepancy
from benchmarks.processes import Child, Server
from benchmarks.progress import Progress
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command
from sandbox.addresses import free_port

PROCESSES, THREADS = 2, 4
"""The API's defaults."""
TURN = 4.0
"""Seconds of one application's turn."""
WARM_UP = 1.0
"""Seconds at the beginning of a turn that are not counted: the queue fills."""


@dataclass
class Contestant:
    """A served application, and how long each of its answers took, in seconds."""

    port: int
    key: str
    took: list[float] = field(default_factory=list)


class BareServer(Server):
    """The bare application, served by gunicorn's threads; a context manager."""

    def __init__(self, stage: Stage, database_url: str) -> None:
        self.port = free_port(8400)
        counts = ["--workers", str(PROCESSES), "--threads", str(THREADS)]
        command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", *counts, "--no-control-socket"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--keep-alive", "60", "benchmarks.bare_api:from_environment()"]
        environment = {"DATABASE_URL": database_url}
        child = Child("the bare application", command, stage.folder / "bare.log", environment)
        super().__init__(child)
        wait_until_it_answers(child, f"http://127.0.0.1:{self.port}/v1/client/1/")


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Requests a second and latencies of either, call by call."""
    rows, told = [], []
    with stage.server.database("callers") as url, ExitStack() as stack:
        fill(url)
        api = stack.enter_context(Api(url, stage.folder))
        bare = stack.enter_context(BareServer(stage, url))
        for call in (call for call in CALLS if call.title.startswith(options.call)):
            ours = Contestant(int(api.url.rpartition(":")[2]), api.headers["Authorization"])
            theirs = Contestant(bare.port, "")
            compare(ours, theirs, call, options, stage.progress(call.title))
            seconds = max(1, round(options.seconds / TURN)) * (TURN - WARM_UP)
            mine, other = len(ours.took) / seconds, len(theirs.took) / seconds
            rows.append((call.title, *shown(ours, mine), *shown(theirs, other), ratio(mine, other)))
            told.append(f"{call.title} {mine:,.0f} requests/s ({ratio(mine, other)})")
    return Result(
        "callers",
        (
            "",
            "Gonets, requests/s",
            "half within",
            "99 % within",
            "bare, requests/s",
            "half within",
            "99 % within",
            "× bare",
        ),
        rows,
        notes=[
            f"{options.callers} callers at once, each on a connection of its own; {PROCESSES} processes of {THREADS} "
            f"threads. In turns of {TURN:g} s, of which the first {WARM_UP:g} s are not counted; {options.seconds:g} s "
            f"for each call and application. {CLIENTS:,} clients, {MAILINGS} mailings. The callers share the machine."
        ],
        readme=[
            (
                f"the API, {options.callers} callers at once",
                ", ".join(told) + "; in brackets, beside bare flask-smorest",
            )
        ],
    )


def shown(contestant: Contestant, speed: float) -> tuple[str, str, str]:
    """Requests a second, and the latencies of half and of all but one in a hundred."""
    took = sorted(contestant.took)
    if not took:
        raise Discrepancy("no request was answered")
    return f"{speed:,.0f}", f"{took[len(took) // 2]:.2f} s", f"{took[len(took) * 99 // 100]:.2f} s"


def compare(ours: Contestant, theirs: Contestant, call: Call, options: argparse.Namespace, progress: Progress) -> None:
    """Lets them take turns."""
    turns = max(1, round(options.seconds / TURN))
    for turn in range(turns):
        for contestant in (ours, theirs):
            asyncio.run(one_turn(contestant, call, options.callers))
        progress.show(turn + 1, turns, "turns")


async def one_turn(contestant: Contestant, call: Call, callers: int) -> None:
    """All callers, for one turn."""
    begun = float("inf")  # until everybody is connected
    failed: list[bytes] = []
    loop = asyncio.get_running_loop()

    def answered(since: float, status: bytes) -> None:
        now = time.perf_counter()
        if not status.startswith(b"HTTP/1.1 %d" % call.status):
            failed.append(status)
        if begun + WARM_UP < now < begun + TURN:
            contestant.took.append(now - since)

    make = partial(Caller, partial(request_of, contestant, call), answered)
    made = [await loop.create_connection(make, "127.0.0.1", contestant.port) for _ in range(callers)]
    begun = time.perf_counter()
    await asyncio.sleep(TURN)
    for transport, _ in made:
        transport.abort()
    await asyncio.sleep(0.3)  # for the server to be through with what it has in hand
    if failed:
        raise Discrepancy(f"{call.title} answered {failed[0].decode()}")


def request_of(contestant: Contestant, call: Call) -> bytes:
    """A request as it goes over the wire."""
    body = json.dumps(call.body()).encode() if call.method in ("POST", "PUT") else b""
    lines = [f"{call.method} {call.path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    if contestant.key:
        lines.append(f"Authorization: {contestant.key}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Caller(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, request: partial[bytes], answered: object) -> None:
        self._request = request
        self._answered = answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, blank, body = self._came.partition(b"\r\n\r\n")
        if not blank:
            return
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if len(body) < int(length.partition(b"\r\n")[0]):
            return
        assert callable(self._answered)
        self._answered(self._since, head.partition(b"\r\n")[0])
        self._ask()

    def _ask(self) -> None:
        self._came = b""
        self._since = time.perf_counter()
        self._transport.write(self._request())


def main() -> None:
    parser = argparse.ArgumentParser(description="The API under many callers at once, beside a bare flask-smorest.")
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each call and application")
    parser.add_argument("--call", default="", help="only those whose title begins so, such as: GET mailing/{id}")
    command("callers", measure, parser)


if __name__ == "__main__":
    main()
