"""The simulated gateway from Python: starts the real process, orders faults and reads what it saw.

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

from sandbox.gateway_ledger import Entry, Summary
from sandbox.parent_death_signal import die_with_parent

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds for the process to leave, and for each answer of its control interface


class SandboxGateway:
    """A gateway process of our own; as a context manager, it is stopped at the end.

    Every call raises ValueError with the gateway's own words when it refuses an order, and OSError when it can't be
    reached: its control interface shares the outages of `down_for`.
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
        program: Sequence[str] = ("-m", "sandbox.gateway"),
    ) -> Self:
        """Starts a gateway on 127.0.0.1 and returns once it listens. Raises RuntimeError when it doesn't.

        Port 0 is any free one; `program` is what Python is called with. A terminal's Ctrl-C does not reach the process;
        the death of the thread that started it does.
        """
        command = [sys.executable, *program, "--host", HOST, "--port", str(port)]
        process = subprocess.Popen(  # noqa: S603 - our own program
            die_with_parent(command, signal.SIGTERM),
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "GATEWAY_TOKEN": token},  # a command line is for everybody to see
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout  # noqa: S101 - asked for above
        with process.stdout:
            announcement = process.stdout.readline()
        if not announcement:
            raise RuntimeError(f"the gateway did not start: exit {process.wait()}; its own words are on stderr")
        return cls(process, announcement.split()[-1], token)

    def faults(self, **fields: object) -> None:
        """From now on misbehaves like this (the fields of sandbox/faults.py), and in no other way; () is to behave."""
        self._json("PUT", "/_/faults", json.dumps(fields))

    def forget(self) -> None:
        """Empties the ledger and the counts."""
        self._json("DELETE", "/_/ledger")

    def clear(self) -> None:
        """As if just started: no faults, an empty ledger."""
        self.faults()
        self.forget()

    def ledger(self, after: int = 0, everything: bool = False) -> list[Entry]:
        """The accepted requests whose sequence is greater than `after`; `everything` adds the others."""
        with self._ask("GET", f"/_/ledger?after={after}&all={everything:d}") as response:
            return [Entry(**json.loads(line)) for line in response]

    def ledger_of(self, msg_id: int, everything: bool = False) -> list[Entry]:
        """The accepted requests of one message; `everything` adds the others."""
        return [Entry(**entry) for entry in self._json("GET", f"/_/ledger/{msg_id}?all={everything:d}")]

    def summary(self) -> Summary:
        """The counts since the start, or since `forget`."""
        return Summary(**self._json("GET", "/_/summary"))

    def rate(self) -> dict[int, int]:
        """How many requests started in each second since the epoch."""
        return {int(second): count for second, count in self._json("GET", "/_/rate").items()}

    def wait_until_up(self, timeout: float = 30.0) -> None:
        """Waits for the end of an outage, at most `timeout` seconds. Raises ConnectionError when it goes on."""
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
        return self._process.wait(PATIENCE)

    def kill(self) -> int:
        """Ends the process with SIGKILL and returns its exit code."""
        self._process.kill()
        return self._process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _json(self, method: str, path: str, body: str | None = None) -> Any:
        with self._ask(method, path, body) as response:
            return json.load(response)

    @contextmanager
    def _ask(self, method: str, path: str, body: str | None = None) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            if response.status != 200:
                raise ValueError(json.load(response)["message"])
            yield response
        finally:
            connection.close()
