"""Reports of deliveries, and messages of recipients: what the simulated providers call their clients for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from secrets import randbelow
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from sandbox.simulated_gateway.callback_sender import CallbackSender
from sandbox.simulated_gateway.callbacks import CallbackLedger, MadeCallback
from sandbox.simulated_gateway.contracts.base import InboundText, ReportingContract
from sandbox.simulated_gateway.contracts.segments import segments_of
from sandbox.simulated_gateway.kept_messages import KeptMessage
from sandbox.simulated_gateway.receipt_plan import (
    DELIVERED,
    MessagePlan,
    PlannedReport,
    ReceiptPlan,
    ReceiptPlanner,
    Report,
)

NOBODYS_TOKEN = "nobody's"  # noqa: S105  with which forged callbacks are signed


class ReceiptRequest(NamedTuple):
    """A receipt that somebody asks for, of any message, to any address."""

    contract: str
    id: str
    """The provider's id of the message."""
    to: str
    url: str
    state: str = DELIVERED
    reason: str | None = None
    about: str = "foreign"
    reference: str = ""
    """Our id, for contracts that return it."""


class Reporting:
    """Plans the receipts of messages, and hands them to the sender."""

    def __init__(self, contracts: Sequence[object], ledger: CallbackLedger) -> None:
        self.contracts: Mapping[str, ReportingContract] = {
            contract.name: contract for contract in contracts if isinstance(contract, ReportingContract)
        }
        self.token = b""
        """The password or the key of every account, which callbacks are signed with."""
        self.sender = CallbackSender(ledger, self._signature)
        self.set_plan(ReceiptPlan())

    @property
    def plan(self) -> ReceiptPlan:
        """What is reported of the messages that are taken from now on."""
        return self._planner.plan

    def set_plan(self, plan: ReceiptPlan) -> None:
        """Replaces the plan."""
        self._planner = ReceiptPlanner(plan)
        self.sender.plan = plan

    def plan_of(self, contract: str, messages: Sequence[KeptMessage]) -> list[tuple[KeptMessage, MessagePlan]]:
        """What will be reported of messages that are taken now: of those only whose client has an address."""
        if contract not in self.contracts:
            return []
        splits = self.contracts[contract].reports_parts
        return [
            (message, self._planner.plan_of(message.taken_at, segments_of(message.text) if splits else 1))
            for message in messages
            if message.receipt_url or contract in self.plan.addresses
        ]

    def send(self, message: KeptMessage, plan: MessagePlan, delay: float) -> None:
        """Sends the receipts of a message. `delay`: seconds until its submission is answered."""
        address = message.receipt_url or self.plan.addresses[message.contract]
        strips = plan.without_query and not self.contracts[message.contract].needs_query
        url = address.partition("?")[0] if strips else address
        for planned in plan.reports:
            after = planned.after if plan.early else planned.after + delay
            self.sender.send(self._callback(message, planned, address, url), after)

    def send_one(self, given: ReceiptRequest) -> MadeCallback:
        """Sends a receipt that was asked for."""
        message = KeptMessage(given.contract, given.id, given.to, "", "", time.time())._replace(
            reference=given.reference
        )
        report = Report(given.state, given.reason, message.taken_at)
        callback = self._callback(message, PlannedReport(0.0, report), given.url, given.url)
        callback = callback._replace(about=given.about)
        self.sender.send(callback, 0.0)
        return callback

    def send_inbound(self, contract: str, inbound: InboundText, url: str) -> list[MadeCallback]:
        """Forwards a message of a recipient to the client's address."""
        callbacks = [
            MadeCallback(
                self.sender.ledger.next_sequence(), "inbound", contract, "own", url, request, {}, to=inbound.to
            )
            for request in self.contracts[contract].inbound(inbound, url)
        ]
        for callback in callbacks:
            self.sender.send(callback, 0.0)
        return callbacks

    def _callback(self, message: KeptMessage, planned: PlannedReport, address: str, url: str) -> MadeCallback:
        contract = self.contracts[message.contract]
        report = planned.report
        headers: Mapping[str, str] = {}
        if planned.about == "foreign":
            message = message._replace(id=contract.new_id(), reference=str(_of_nobody()))
            url = _with_another_number(url)
        request = contract.receipt(message, report, url)
        if planned.about == "forged":
            headers = contract.signature(request, NOBODYS_TOKEN)
            if not headers:  # then the address is the secret
                request = request._replace(url=_with_another_token(request.url))
        return MadeCallback(
            self.sender.ledger.next_sequence(),
            "receipt",
            message.contract,
            planned.about,
            address,
            request,
            headers,
            message.id,
            message.to,
            report.state,
            report.reason,
            report.part,
            report.parts,
        )

    def _signature(self, callback: MadeCallback) -> Mapping[str, str]:
        return self.contracts[callback.contract].signature(callback.request, self.token.decode())


def _of_nobody() -> int:
    """An id that no message of a client has."""
    return randbelow(10**16) + 10**16


def _with_another_number(url: str) -> str:
    """The address with another number in its query."""
    path, mark, query = url.partition("?")
    return path + mark + re.sub(r"(?<==)\d+\b", str(_of_nobody()), query)


def _with_another_token(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{uuid4().hex}"))
