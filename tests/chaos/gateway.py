"""`python -m tests.chaos.gateway --ledger FILE`: the simulated gateway, with a ledger that outlives its process.

Each entry is added to the file before its request is answered, so SIGKILL loses nothing that anybody was told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

from sandbox.faults import Reaction
from sandbox.gateway import Listener
from sandbox.gateway_contract import Gateway
from sandbox.gateway_ledger import Entry, Ledger


class KeptLedger(Ledger):
    """Adds a line to its file for each request, and another one when that is answered."""

    def __init__(self, file: Path) -> None:
        """Goes on counting where the ledger in the file has ended, if there is one."""
        super().__init__()
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._last = max((entry.sequence for entry in read(file)), default=0)
        self.forget()

    def record(self, msg_id: int, phone: int | None, body: bytes, reaction: Reaction, started_at: float) -> int:
        sequence = super().record(msg_id, phone, body, reaction, started_at)
        self._write(sequence)
        return sequence

    def end(self, sequence: int, status: int) -> None:
        super().end(sequence, status)
        if status:
            self._write(sequence)

    def _write(self, sequence: int) -> None:
        for entry in self.entries(sequence - 1, limit=1, everything=True):
            if entry.sequence == sequence:  # it is another one when this one has been forgotten
                os.write(self._file, json.dumps(entry).encode() + b"\n")


def read(file: Path) -> list[Entry]:
    """The entries as they stand at the end, in their order. A line that is being written is left out."""
    whole = file.read_bytes().rpartition(b"\n")[0]
    entries = [Entry(*json.loads(line)) for line in whole.splitlines()]
    return sorted({entry.sequence: entry for entry in entries}.values())


def main() -> None:
    """Listens until it is killed. The token is in GATEWAY_TOKEN."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    gateway = Gateway(os.environ["GATEWAY_TOKEN"])
    gateway.ledger = KeptLedger(options.ledger)
    listener = Listener(gateway, options.host, options.port)
    asyncio.run(listener.listen(lambda url: print(f"gateway listening on {url}", flush=True)))


if __name__ == "__main__":
    main()
