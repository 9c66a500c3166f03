"""`python -m tests.chaos.gateway --ledger FILE`: the simulated gateway, with a ledger that outlives its process.

Each entry is added to the file before its request is answered, so SIGKILL loses nothing that anybody was told. So are
look-ups, and the messages that look-ups find. Look-ups have faults too. Callbacks are written before they are made, and
those that were not taken are made again by the next process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from sandbox.simulated_gateway.callbacks import CallbackAnswer, CallbackLedger, CallbackRequest, MadeCallback
from sandbox.simulated_gateway.contracts.base import Contract, phone_of
from sandbox.simulated_gateway.contracts.infobip import InfobipContract
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.gateway import CONTRACTS, Gateway
from sandbox.simulated_gateway.http_messages import Request, http_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.ledger import Entry, Ledger
from sandbox.simulated_gateway.listener import Listener
from sandbox.simulated_gateway.receipt_plan import ReceiptPlan
from sandbox.simulated_gateway.reporting import Reporting

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


class KeptCallbacks(CallbackLedger):
    """Adds a line to its file for each callback before it is made, and another one for each answer."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.left: list[MadeCallback] = []
        """Those of an earlier process that nobody has taken."""
        for callback, acknowledged_at in _callbacks_in(file).values():
            super().add(callback)
            if acknowledged_at is None and callback.about != "forged":
                self.left.append(callback)

    def add(self, callback: MadeCallback) -> None:
        super().add(callback)
        self._write({"callback": callback})

    def answered(self, answer: CallbackAnswer) -> bool:
        known = super().answered(answer)
        if known and answer.is_success:
            self._write({"acknowledged": [answer.sequence, answer.answered_at]})
        return known

    def _write(self, line: object) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


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
        reference = msg_id or _message_id_in_form(body)
        sequence = super().record(reference, phone, body, reaction, started_at, contract)
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
        self.reporting = Reporting(CONTRACTS, callbacks := KeptCallbacks(file))
        self.reporting.token = token.encode()
        # The usual plan ends too soon for an API that is down.
        self.reporting.set_plan(ReceiptPlan(repeat_after=0.2, repeat_at_most=2.0, calls=10_000))
        for callback in callbacks.left:
            self.reporting.sender.repeat(callback, 0.0)

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


def read_callbacks(file: Path) -> list[tuple[Any, ...]]:
    """The receipts, but for the name of the gateway, with the fields of ReportedReceipt."""
    messages = [KeptMessage(*line["message"]) for line in _lines(file) if isinstance(line, dict) and "message" in line]
    ours = {one.id: _message_id_of(one) for one in messages}
    found: list[tuple[Any, ...]] = []
    for callback, acknowledged_at in _callbacks_in(file).values():
        request = callback.request
        named = _named_id(request)
        found.append(
            (
                callback.sequence,
                callback.about,
                ours.get(callback.message_id, 0) if callback.about == "own" else 0,
                named,
                callback.message_id,
                phone_of(callback.to),
                callback.state,
                callback.reason,
                request.code,
                request.at,
                callback.part,
                callback.parts,
                acknowledged_at,
            )
        )
    return found


def _callbacks_in(file: Path) -> dict[int, tuple[MadeCallback, float | None]]:
    """The callbacks, and when each was taken, by their numbers."""
    found: dict[int, tuple[MadeCallback, float | None]] = {}
    for line in _lines(file):
        if isinstance(line, dict) and "callback" in line:
            callback = MadeCallback(*line["callback"])
            callback = callback._replace(request=CallbackRequest(*callback.request))
            found[callback.sequence] = callback, None
        elif isinstance(line, dict) and "acknowledged" in line:
            sequence, at = line["acknowledged"]
            if sequence in found:  # else it was cleared
                callback, before = found[sequence]
                found[sequence] = callback, before or at
    return found


def _named_id(request: CallbackRequest) -> int:
    """Our id in a receipt: in its address, or in a field of the form."""
    if request.body.startswith("{"):  # Infobip's
        named = [result["messageId"] for result in json.loads(request.body)["results"]]
    else:
        named = parse_qs(urlsplit(request.url).query).get("message") or parse_qs(request.body).get("ref") or []
    return int(named[0]) if named and named[0].isdecimal() else 0


def _message_id_of(message: KeptMessage) -> int:
    named = message.reference or message.receipt_url.rpartition("?message=")[2] or message.id
    return int(named) if named.isdecimal() else 0


def _message_id_in_form(body: bytes) -> int:
    """Our id in a form: in the address for receipts, or as the reference."""
    found = re.search(rb"(?:%3Fmessage%3D|&ref=)(\d+)", body)
    return int(found[1]) if found else 0


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
