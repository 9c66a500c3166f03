"""`python -m tests.chaos.gateway --ledger FILE`: the simulated gateway, with a ledger that outlives its process.

Each entry is added to the file before its request is answered, so SIGKILL loses nothing that anybody was told. So are
look-ups, and the messages that look-ups find. Look-ups have faults too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from sandbox.simulated_gateway.contracts.base import Contract
from sandbox.simulated_gateway.contracts.infobip import InfobipContract
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.http_messages import Request, http_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.ledger import Entry, Ledger
from sandbox.simulated_gateway.listener import Listener

STATUS_OF = {Answer.WRONG_CREDENTIALS: 401, Answer.THROTTLED: 429}
"""Of the faults `answers`, those that a look-up may have."""


class LookUp(NamedTuple):
    """A look-up, as the gateway has it."""

    id: int
    """The message that was asked for."""
    at: float
    """When the gateway looked, in seconds since the epoch."""
    taken: bool
    """Whether it had taken the message by then."""
    outcome: str
    """`looked_up` if the answer said so; else the fault."""


class KeptLedger(Ledger):
    """Adds a line to its file for each request, and another one when that is answered."""

    def __init__(self, file: Path) -> None:
        """Goes on counting where the ledger in the file has ended, if there is one."""
        super().__init__()
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._last = max((entry.sequence for entry in read(file)), default=0)
        self._taken: list[KeptMessage] = []
        self.forget()

    def record(
        self,
        msg_id: int,
        phone: int | None,
        body: bytes,
        reaction: Reaction,
        started_at: float,
        contract: str = "gonets",
    ) -> int:
        sequence = super().record(msg_id, phone, body, reaction, started_at, contract)
        self._write(sequence)
        return sequence

    def end(self, sequence: int, status: int) -> None:
        super().end(sequence, status)
        if status:
            self._write(sequence)

    def take(self, message: KeptMessage) -> None:
        """Writes a message together with the next entry, so that no crash comes between the two."""
        self._taken.append(message)

    def add_look_up(self, look_up: LookUp) -> None:
        """Writes a look-up."""
        os.write(self._file, json.dumps({"look_up": look_up}).encode() + b"\n")

    def _write(self, sequence: int) -> None:
        for entry in self.entries(sequence - 1, limit=1, everything=True):
            if entry.sequence == sequence:  # it is another one when this one has been forgotten
                lines: list[object] = [*({"message": message} for message in self._taken), entry]
                self._taken.clear()
                os.write(self._file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))


class PersistentMessages(KeptMessages):
    """The messages that were taken, those from before a crash included."""

    def __init__(self, file: Path, ledger: KeptLedger) -> None:
        super().__init__()
        for line in _lines(file):
            if isinstance(line, dict) and "message" in line:
                super().add(KeptMessage(*line["message"]))
        self._ledger = ledger

    def add(self, message: KeptMessage) -> None:
        super().add(message)
        self._ledger.take(message)


class PersistentGateway(Gateway):
    """The simulated gateway, with its ledger in a file, and with faults of look-ups."""

    def __init__(self, token: str, file: Path) -> None:
        super().__init__(token)
        self.ledger: KeptLedger = KeptLedger(file)
        self.kept = PersistentMessages(file, self.ledger)
        self._infobip = InfobipContract()

    def receive(self, request: Request, started_at: float) -> tuple[Reaction, int]:
        if request.method == b"GET" and request.path.startswith(self._infobip.paths):
            return self._look_up(request, started_at), 0
        return super().receive(request, started_at)

    def _look_up(self, request: Request, started_at: float) -> Reaction:
        self.ledger.begin(started_at)
        found = self._infobip.read(request, self._token, self.kept, started_at)
        assert isinstance(found, Reaction), "a GET submits nothing"
        reaction = self._with_fault(found) if found.outcome is Outcome.LOOKED_UP else found
        (message_id,) = parse_qs(request.query.decode()).get("messageId", ["0"])
        taken = bool(self.kept.of(self._infobip.name, message_id))
        look_up = LookUp(int(message_id), started_at, taken, reaction.outcome.name.lower())
        self.ledger.add_look_up(look_up)
        return reaction

    def _with_fault(self, found: Reaction) -> Reaction:
        fault = self._injector.pick(0, 0)
        if fault.answer is None:  # no words of a contract: a reset, garbage, silence
            return replace(fault, accepts=False)
        status = fault.status if fault.answer is Answer.STATUS else STATUS_OF.get(fault.answer)
        if status is None:
            return replace(found, delay=fault.delay)
        return Reaction(Outcome.STATUS, status, http_response(status, b"{}", *fault.fields), delay=fault.delay)

    def _record_unread(self, contract: Contract, request: Request, reaction: Reaction, started_at: float) -> int:
        if contract.name != self._infobip.name:
            return super()._record_unread(contract, request, reaction, started_at)
        # The simulation looks at the credentials first, and not at the message. The ledger has to know which it was.
        message_id = _message_id_in(request.body)
        return self.ledger.record(message_id, None, request.body, reaction, started_at, contract.name)


def read(file: Path) -> list[Entry]:
    """The entries as they stand at the end, in their order. A line that is being written is left out."""
    entries = [Entry(*line) for line in _lines(file) if isinstance(line, list)]
    return sorted({entry.sequence: entry for entry in entries}.values())


def read_look_ups(file: Path) -> list[LookUp]:
    """The look-ups, in their order."""
    return [LookUp(*line["look_up"]) for line in _lines(file) if isinstance(line, dict) and "look_up" in line]


def _lines(file: Path) -> Iterator[Any]:
    whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    return (json.loads(line) for line in whole.splitlines())


def _message_id_in(body: bytes) -> int:
    try:
        return int(json.loads(body)["messages"][0]["destinations"][0]["messageId"])
    except (ValueError, LookupError, TypeError):
        return 0


def main() -> None:
    """Listens until it is killed. The token is in GATEWAY_TOKEN."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    gateway = PersistentGateway(os.environ["GATEWAY_TOKEN"], options.ledger)
    listener = Listener(gateway, options.host, options.port)
    asyncio.run(listener.listen(lambda url: print(f"gateway listening on {url}", flush=True)))


if __name__ == "__main__":
    main()
