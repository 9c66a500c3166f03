"""A worker as a process of its own, and what both ledgers say of its work."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests import commands
from tests.commands import Start
from tests.factories import rows
from tests.waiting import PATIENCE, eventually

QUICK = {
    "GATEWAY_TIMEOUT": "10",
    "LEASE_SECONDS": "15",
    "RETRY_BASE_SECONDS": "0.05",
    "RETRY_MAX_SECONDS": "0.2",
    "WORKER_POLL_SECONDS": "0.2",
    "LOG_LEVEL": "DEBUG",
    "LOG_FORMAT": "json",
}
"""Settings with which little time passes. No request times out because a process had to wait for a core."""

SHORT_LEASE = {"GATEWAY_TIMEOUT": "1", "LEASE_SECONDS": "6"}
"""For tests that wait until the leases of a dead worker end. A request may time out, so that it is in doubt."""


PASSED_ON = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
"""The second one is there under `make coverage`, for the processes that tests start."""


class WorkerProcess:
    """`python -m worker` with no settings but those that it is given; it ends with the process that started it."""

    def __init__(self, log: Path, start: Start = commands.start, /, **environment: str) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = start(["worker"], PASSED_ON | environment, file, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def said(self) -> str:
        """Everything it has written."""
        return self.log.read_text()

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        return str(self.event("worker.started")["worker"])

    def event(self, event: str) -> dict[str, Any]:
        """Waits until its log has such an event, and answers the first one."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            whole_lines = self.said.split("\n")[:-1]
            found.extend(entry for entry in map(json.loads, whole_lines) if entry["event"] == event)
            return bool(found)

        eventually(is_there)
        return found[0]

    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Waits for its end, and answers its exit status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; answers its exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.send(signal.SIGKILL)
        self.wait()


def disagreements(connection: Connection, gateway: SandboxGateway) -> list[str]:
    """What the ledger and the gateway's own record of the same messages do not agree on; all have come to rest."""
    found = []
    accepted = Counter(entry.id for entry in gateway.ledger())
    numbers_and_bodies = {(entry.id, entry.phone, entry.body_hash) for entry in gateway.ledger()}
    if len(numbers_and_bodies) > len(accepted):
        found.append("a repeat had another phone number or another body")
    for message_id, phone_number, status, sure, unsure in rows(
        connection,
        """
        SELECT message.id, phone_number, status, count(*) FILTER (WHERE result = 'accepted'),
            count(*) FILTER (WHERE result = 'ambiguous')
        FROM message LEFT JOIN attempt ON attempt.message_id = message.id
        GROUP BY message.id
        """,
    ):
        times = accepted.pop(message_id, 0)
        if not sure <= times <= sure + unsure:
            found.append(f"{message_id} was accepted {times} times; the ledger has {sure} and perhaps {unsure}")
        if status == "sent" and not times:
            found.append(f"{message_id} is called sent, and the gateway never accepted it")
        if times and (message_id, phone_number) not in {(id_, phone) for id_, phone, _ in numbers_and_bodies}:
            found.append(f"{message_id} went to another phone number")
    return found + [f"{message_id} is in no ledger of ours" for message_id in accepted]


def attempts_by_result(connection: Connection) -> dict[str, int]:
    """How many attempts the ledger has of each result."""
    found: Sequence[tuple[Any, ...]] = rows(connection, "SELECT result, count(*) FROM attempt GROUP BY result")
    return dict(found)
