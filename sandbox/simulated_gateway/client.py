"""A client of the simulated gateway: starts its process, sets faults and reads its ledger.

with SandboxGateway.start(token="secret") as gateway:
    gateway.faults(hang=0.1, latency=[0.1, 0.5], seed=7)
    ...
    assert len(gateway.ledger()) == gateway.summary().accepted
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.parent_death_signal import die_with_parent
from sandbox.simulated_gateway.callbacks import CallbackEntry, CallbackRequest, CallbackSummary, MadeCallback
from sandbox.simulated_gateway.kept_messages import KeptMessage
from sandbox.simulated_gateway.ledger import Entry, Summary

HOST = "127.0.0.1"
TIMEOUT = 60.0  # seconds for the process to exit, and for each response of its control interface


class SandboxGateway:
    """A process of the simulated gateway; as a context manager, it is stopped at the end.

    Every call raises ValueError with the gateway's message when it rejects a request, and OSError when it cannot be
    reached: the outages of `down_for` include its control interface.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        self._process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.token = token

    @classmethod
    def start(
        cls,
        token: str = "sandbox",  # noqa: S107 - a simulated token for a simulation
        port: int = 0,
        program: Sequence[str] = ("-m", "sandbox.simulated_gateway"),
    ) -> Self:
        """Starts a gateway on 127.0.0.1 and returns when it listens. Raises RuntimeError when it does not.

        Port 0 means any free port; `program` holds the arguments of Python. Ctrl-C at a terminal does not reach the
        process; it is terminated when the thread that started it ends.
        """
        command = [sys.executable, *program, "--host", HOST, "--port", str(port)]
        process = subprocess.Popen(  # noqa: S603
            die_with_parent(command, signal.SIGTERM),
            cwd=Path(__file__).parents[2],
            env={**os.environ, "GATEWAY_TOKEN": token},  # every user can read a command line
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout  # noqa: S101 - asked for above
        with process.stdout:
            announcement = process.stdout.readline()
        if not announcement:
            raise RuntimeError(f"the gateway did not start: exit {process.wait()}; its error is on stderr")
        return cls(process, announcement.split()[-1], token)

    def faults(self, **fields: object) -> None:
        """Replaces the plan of faults (the fields of `Faults`); no fields, no faults."""
        self._json("PUT", "/_/faults", json.dumps(fields))

    def receipts(self, **fields: object) -> None:
        """Replaces the plan of receipts (the fields of `ReceiptPlan`)."""
        self._json("PUT", "/_/receipts", json.dumps(fields))

    def report(self, **fields: object) -> int:
        """Makes a receipt (the fields of `ReceiptRequest`), and returns its sequence among the callbacks."""
        return int(self._json("POST", "/_/callbacks", json.dumps(fields))["sequence"])

    def forward(self, **fields: object) -> list[int]:
        """Forwards a message of a recipient: `contract`, `sender`, `to`, `text`, `parts`, `url`."""
        return list(self._json("POST", "/_/inbound", json.dumps(fields))["sequences"])

    def callbacks(self, after: int = 0) -> list[CallbackEntry]:
        """The callbacks with a sequence greater than `after`."""
        with self._request("GET", f"/_/callbacks?after={after}") as response:
            return [_callback_entry(json.loads(line)) for line in response]

    def callback_summary(self) -> CallbackSummary:
        """The counts of callbacks."""
        return CallbackSummary(**self._json("GET", "/_/callbacks/summary"))

    def forget(self) -> None:
        """Empties the ledger, the counts and the messages."""
        self._json("DELETE", "/_/ledger")

    def clear(self) -> None:
        """Resets the gateway: no faults, the usual receipts, empty ledgers."""
        self.faults()
        self.receipts()
        self.forget()

    def ledger(self, after: int = 0, everything: bool = False) -> list[Entry]:
        """The accepted requests with a sequence greater than `after`; `everything` includes the others."""
        with self._request("GET", f"/_/ledger?after={after}&all={everything:d}") as response:
            return [Entry(**json.loads(line)) for line in response]

    def ledger_of(self, msg_id: int, everything: bool = False) -> list[Entry]:
        """The accepted requests of one message; `everything` includes the others."""
        return [Entry(**entry) for entry in self._json("GET", f"/_/ledger/{msg_id}?all={everything:d}")]

    def messages(self, contract: str) -> list[KeptMessage]:
        """The messages that were taken under a contract, but for those of `gonets`: the ledger has them."""
        with self._request("GET", f"/_/messages?contract={contract}") as response:
            return [KeptMessage(**json.loads(line)) for line in response]

    def summary(self) -> Summary:
        """The counts since the start, or since `forget`."""
        return Summary(**self._json("GET", "/_/summary"))

    def rate(self) -> dict[int, int]:
        """How many requests started in each second since the epoch."""
        return {int(second): count for second, count in self._json("GET", "/_/rate").items()}

    def wait_until_up(self, timeout: float = 30.0) -> None:
        """Waits up to `timeout` seconds for the end of an outage. Raises ConnectionError after that."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.summary()
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> int:
        """Ends the process with SIGTERM and returns its exit code."""
        self._process.terminate()
        return self._process.wait(TIMEOUT)

    def kill(self) -> int:
        """Ends the process with SIGKILL and returns its exit code."""
        self._process.kill()
        return self._process.wait(TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _json(self, method: str, path: str, body: str | None = None) -> Any:
        with self._request(method, path, body) as response:
            return json.load(response)

    @contextmanager
    def _request(self, method: str, path: str, body: str | None = None) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(HOST, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            if response.status != 200:
                raise ValueError(json.load(response)["message"])
            yield response
        finally:
            connection.close()


def _callback_entry(given: dict[str, Any]) -> CallbackEntry:
    calls, status, acknowledged_at = (given.pop(name) for name in ("calls", "status", "acknowledged_at"))
    request = CallbackRequest(**given.pop("request"))
    return CallbackEntry(MadeCallback(**given, request=request), calls, status, acknowledged_at)
