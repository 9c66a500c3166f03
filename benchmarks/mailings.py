"""Mailings, by the HTTP API alone: their tables and modules may be another version's."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.baselines import FIRST_PHONE, TEXT
from benchmarks.benchmark import Discrepancy, expect
from benchmarks.environment import QUICK, Api, Environment, Progress
from benchmarks.gateways import Gateway
from benchmarks.postgres import connect, run
from benchmarks.processes import ROOT

PATIENCE = 60.0
"""Seconds without any progress after which a benchmark is given up."""
LOOK_INTERVAL, LAST_LOOKS = 0.1, 0.01
"""Seconds between two looks at most, and at least."""
ADD_CLIENTS = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT number, left(number::text, 6), %s, (%s::text[])[1 + number %% %s]
FROM (SELECT coalesce(max(phone_number) + 1, %s) AS first FROM client) AS next,
    generate_series(next.first, next.first + %s - 1) AS number
"""


def add_clients(url: str, tag: str, count: int, zones: Sequence[str] = ("UTC",)) -> None:
    """So many more clients with a tag, one phone number after another, who have the time zones in turn."""
    with contextlib.closing(connect(url)) as connection:
        run(connection, ADD_CLIENTS, tag, list(zones), len(zones), FIRST_PHONE, count)
        run(connection, "ANALYZE client")


class Mailing:
    """One mailing."""

    def __init__(self, api: Api, mark: str, text: str = TEXT, **rules: str) -> None:
        """Adds a mailing whose start has come, with other fields: a worker launches it at its next look."""
        now = datetime.now(UTC)
        start, end = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 100))
        body = {"text": text, "mark": mark, "start_datetime": start, "end_datetime": end, **rules}
        self._api = api
        self.path = f"/v1/mailing/{api.send('POST', '/v1/mailing/create/', json=body).json()['id']}/"

    def act(self, action: str) -> None:
        """`pause` or `resume`: lets no more of its messages be sent, or again."""
        self._api.send("POST", f"{self.path}{action}/")

    def get(self) -> Any:
        """As the API tells it: its status, its audience (clients who have a message), its messages by status."""
        return self._api.send("GET", self.path).json()

    def wait_until_launched(self, audience: int, progress: Progress) -> None:
        """Waits until all clients have messages. Raises Discrepancy when nothing has moved for a minute."""
        patience, seen = Patience(progress, audience), 0
        while seen < audience:
            time.sleep(LOOK_INTERVAL)
            patience.show(seen := self.get()["audience"])
        expect("messages launched", seen, audience)

    def wait_until_sent(self, messages: int, gateway: Gateway, before: int, progress: Progress) -> float:
        """Waits until so many messages have been sent, and all are recorded; returns that moment (since the epoch).

        `before`: the gateway's requests at the beginning. Asks the API only when the gateway has seen enough, so as not
        to disturb. Raises Discrepancy when nothing has moved for a minute.
        """
        patience = Patience(progress, messages)
        while True:
            patience.show(seen := gateway.requests() - before)
            if seen >= messages:
                found = self.get()["messages"]
                if found["sent"] == sum(found.values()):
                    return time.time()
            patience.wait()


class Patience:
    """Shows progress, and does not wait without end if there is none."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._began_at = self._moved_at = time.monotonic()
        self._seen = 0

    def show(self, seen: int) -> None:
        """How much is done. Raises Discrepancy when that has been the same for a minute."""
        self._progress(seen, self._total)
        if seen != self._seen:
            self._seen, self._moved_at = seen, time.monotonic()
        if time.monotonic() - self._moved_at > PATIENCE:
            raise Discrepancy(f"{seen:,} of {self._total:,} messages, and for a minute no more.")

    def wait(self) -> None:
        """Waits until the next look: half of the time that the rest will take, so that the end is not seen late."""
        rest = (time.monotonic() - self._began_at) * (self._total / self._seen - 1) if self._seen else LOOK_INTERVAL
        time.sleep(min(LOOK_INTERVAL, max(LAST_LOOKS, rest / 2)))


def add_waiting_mailing(
    environment: Environment,
    api: Api,
    url: str,
    clients: int,
    progress: Progress,
    tag: str = "waiting",
    root: Path = ROOT,
    text: str = TEXT,
) -> tuple[Mailing, int]:
    """A paused mailing to so many new clients, all of whose messages are there; and how many of them wait.

    A worker launches it, and is told to send no more than a message a second until the mailing is paused: a launch goes
    on to its end even so. `root` is a checkout.
    """
    add_clients(url, tag, clients)
    slow = {**QUICK, "GATEWAY_RATE": "1"}
    with environment.gateway() as gateway, environment.workers(url, gateway, 1, slow, root=root):
        mailing, patience = Mailing(api, tag, text), Patience(progress, clients)
        while mailing.get()["status"] == "scheduled":
            patience.show(0)
            time.sleep(LAST_LOOKS)
        mailing.act("pause")
        mailing.wait_until_launched(clients, progress)
    with contextlib.closing(connect(url)) as connection:
        run(connection, "VACUUM ANALYZE")
        run(connection, "CHECKPOINT")
    return mailing, mailing.get()["messages"]["pending"]


def check(gateway: Gateway, messages: int) -> float:
    """The moment of the gateway's first request. Raises Discrepancy unless it got each message exactly once."""
    served = gateway.served()
    expect("messages that the gateway got", served.distinct, messages)
    expect("requests", served.requests, messages)
    return served.first
