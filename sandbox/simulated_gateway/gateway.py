"""The simulated gateway: its contracts, its faults and its records. No sockets, no HTTP framing."""

from collections.abc import Callable
from dataclasses import replace

from sandbox.simulated_gateway.callbacks import CallbackLedger
from sandbox.simulated_gateway.contracts import gonets
from sandbox.simulated_gateway.contracts.base import Contract, Submission, in_words_of
from sandbox.simulated_gateway.contracts.declared import DeclaredContract
from sandbox.simulated_gateway.contracts.gonets import GonetsContract
from sandbox.simulated_gateway.contracts.infobip import InfobipContract
from sandbox.simulated_gateway.contracts.kannel import KannelContract
from sandbox.simulated_gateway.contracts.smsc import SmscContract
from sandbox.simulated_gateway.contracts.twilio import TwilioContract
from sandbox.simulated_gateway.faults import NO_FAULT, Answer, FaultInjector, Faults, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request
from sandbox.simulated_gateway.kept_messages import KeptMessages
from sandbox.simulated_gateway.ledger import Ledger
from sandbox.simulated_gateway.receipt_plan import EARLY_SECONDS
from sandbox.simulated_gateway.reporting import Reporting

CONTRACTS: tuple[Contract, ...] = (
    GonetsContract(),
    TwilioContract(),
    InfobipContract(),
    SmscContract(),
    KannelContract(),
    DeclaredContract(),
)
NOT_RECORDED = (Outcome.NOT_FOUND, Outcome.NOT_ALLOWED, Outcome.LOOKED_UP)


class Gateway:
    """The simulated gateway: its token, its plan of faults, its ledgers, and the messages that it has taken.

    It implements all contracts at once, selected by the path of a request. `go_down` is called with the seconds of an
    outage; the listener sets it.
    """

    def __init__(self, token: str) -> None:
        self.ledger = Ledger()
        self.kept = KeptMessages()
        self.reporting = Reporting(CONTRACTS, CallbackLedger())
        self.go_down: Callable[[float], None] = lambda seconds: None
        self._own_token = token.encode()
        self.set_faults(Faults())

    def set_faults(self, faults: Faults) -> None:
        """Replaces the plan; `Faults()` has no faults."""
        self._injector = FaultInjector(faults)
        self._token = faults.token.encode() if faults.token else self._own_token
        self.reporting.token = self._token
        if faults.down_for:
            self.go_down(faults.down_for)

    def forget(self) -> None:
        """Clears the ledgers and the messages. Receipts of those are not sent any more."""
        self.reporting.sender.forget()
        self.ledger.forget()
        self.kept.forget()

    def receive(self, request: Request, started_at: float) -> tuple[Reaction, int]:
        """Records a request; returns the reaction and its sequence number in the ledger.

        The number is 0 for a look-up, and for a request to no contract's path; only its response is counted.
        """
        self.ledger.begin(started_at)
        contract = _contract_of(request.path)
        read = contract.read(request, self._token, self.kept, started_at)
        if isinstance(read, Reaction):
            return read, self._record_unread(contract, request, read, started_at)
        reaction = self._react(contract, read)
        if reaction.accepts:
            for message in read.messages:
                self.kept.add(message)
            reaction = self._report(contract, read, reaction)
            if read.fingerprint:
                self.kept.note_request(read.fingerprint, started_at)
        content = request.body or request.query
        sequence = self.ledger.record(read.reference, read.phone, content, reaction, started_at, contract.name)
        return reaction, sequence

    def _react(self, contract: Contract, submission: Submission) -> Reaction:
        reaction = self._injector.pick(submission.reference, submission.phone)
        if reaction is NO_FAULT and contract.name == gonets.NAME:
            return gonets.ACCEPTED  # the benchmarks' way: nothing is built for each request
        if submission.refusal is None:
            return in_words_of(contract, reaction, submission)
        if reaction.answer is Answer.ACCEPTED:
            return replace(submission.refusal, delay=reaction.delay)
        return replace(in_words_of(contract, reaction, submission), accepts=False)

    def _report(self, contract: Contract, submission: Submission, reaction: Reaction) -> Reaction:
        """Sends the receipts of what was taken. The answer waits for those that come before it."""
        plans = self.reporting.plan_of(contract.name, submission.messages)
        if any(plan.early for _, plan in plans):
            reaction = replace(reaction, delay=max(reaction.delay, EARLY_SECONDS))
        for message, plan in plans:
            self.reporting.send(message, plan, reaction.delay)
        return reaction

    def _record_unread(self, contract: Contract, request: Request, reaction: Reaction, started_at: float) -> int:
        if reaction.outcome in NOT_RECORDED:
            self.ledger.look_ups += reaction.outcome is Outcome.LOOKED_UP
            return 0
        reference = gonets.message_id(request.path) or 0
        content = request.body or request.query
        return self.ledger.record(reference, None, content, reaction, started_at, contract.name)


def _contract_of(path: bytes) -> Contract:
    """The contract whose paths begin like this one; else the first, which does not find it."""
    for contract in CONTRACTS:
        if path.startswith(contract.paths):
            return contract
    return CONTRACTS[0]
