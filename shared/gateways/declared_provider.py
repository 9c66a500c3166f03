"""The provider `http`: a contract that is declared in the account, for providers that have no adapter of their own.

The option `contract` says in TOML how the provider is called, what its answers mean and how it calls us;
docs/gateways/http.md is its reference. The credentials that it names are entered beside it, one `name = value` a line.
Nothing is verified here about any provider: the contract is as right as who wrote it.

Values never become part of a request by being pasted into it: JSON is written by json, forms, queries and paths are
percent-encoded, and headers, which are the same for every message, are checked once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from shared.gateways.base import (
    Account,
    AccountField,
    Adapter,
    Callback,
    CallbackAnswer,
    Capabilities,
    InboundPart,
    LookUpResult,
    OutgoingMessage,
    Provider,
    Receipt,
    Response,
    SentMessage,
    Submission,
    SubmitResult,
)
from shared.gateways.callbacks import callback_secrets
from shared.gateways.declared.callbacks import inbound_parts, receipts_of_answer, receipts_of_callback
from shared.gateways.declared.contract import (
    Contract,
    InboundContract,
    LookUpContract,
    PollContract,
    ReceiptsContract,
    RequestContract,
)
from shared.gateways.declared.contract_checks import names_in
from shared.gateways.declared.contract_file import read_contract
from shared.gateways.declared.reading import facts_in, look_up_result, submit_result
from shared.gateways.declared.requests import (
    authorization_of,
    constants_of,
    headers_of,
    path_and_body,
    without_fields_of,
)
from shared.gateways.declared.signatures import Signature
from shared.gateways.declared.templates import PROVIDER_ID, RECEIPT_URL
from shared.gateways.text_checks import refusal_of


class _Request(NamedTuple):
    """A request of the contract, with the headers of the account."""

    contract: RequestContract
    headers: Mapping[str, str]


class DeclaredAdapter(Adapter):
    """A declared contract as an adapter. Any thread may use it.

    It has only those of the attributes here that its contract declares.
    """

    receipt_answer: CallbackAnswer
    inbound_answer: CallbackAnswer
    read_receipts: Callable[[Callback], list[Receipt]]
    read_inbound: Callable[[Callback], list[InboundPart]]
    poll_limit: int
    prepare_poll: Callable[[Collection[SentMessage]], Submission | None]
    read_poll: Callable[[Response], list[Receipt]]

    def __init__(self, contract: Contract, account: Account) -> None:
        """Raises ConfigurationError that names the field, for values that the contract cannot have."""
        self._contract = contract
        self.capabilities = contract.capabilities
        self._constants = constants_of(contract, account)
        authorization = authorization_of(contract, self._constants)
        credentials = [self._constants[name] for name in contract.credentials]
        encoded = [authorization.split()[1]] if authorization else []
        self._credentials = (*credentials, *encoded, *callback_secrets(account))
        request = contract.request
        self._request = self._with_headers(request if account.receipt_url else without_fields_of(request, RECEIPT_URL))
        self._signature = Signature(contract.signature, self._constants) if contract.signature else None
        if contract.receipts:
            self._take_receipts(contract.receipts)
        if contract.inbound:
            self._take_inbound(contract.inbound)
        if contract.poll:
            self._take_poll(contract.poll)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if the text is too long or not valid Unicode."""
        refusal = refusal_of(message.text, self.capabilities.max_text)
        return refusal if refusal is not None else self._submission(self._request, message)

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response, whose number and id are compared with the message's where it has them."""
        facts = facts_in(response, self._contract.answer, message, secrets)
        return submit_result(response, facts, self._contract.meanings)

    def _with_headers(self, request: RequestContract) -> _Request:
        return _Request(request, headers_of(self._contract, request, self._constants))

    def _submission(self, request: _Request, message: OutgoingMessage) -> Submission:
        return self._filled(request, message, {"text": message.text}, message.text)

    def _filled(
        self, request: _Request, message: OutgoingMessage | SentMessage, others: Mapping[str, str], *secrets: str
    ) -> Submission:
        contract, headers = request
        phone = str(message.phone_number)
        own = {"id": str(message.message_id), "phone": phone, "plus_phone": f"+{phone}", **others}
        path, body = path_and_body(contract, {**self._constants, **own})
        return Submission(contract.method, path, headers, body, (phone, *secrets, *self._credentials))

    def _take_receipts(self, contract: ReceiptsContract) -> None:
        def read_receipts(callback: Callback) -> list[Receipt]:
            self._check_signature(callback)
            return receipts_of_callback(callback, contract, self._credentials)

        self.read_receipts, self.receipt_answer = read_receipts, contract.answer

    def _take_inbound(self, contract: InboundContract) -> None:
        def read_inbound(callback: Callback) -> list[InboundPart]:
            self._check_signature(callback)
            return inbound_parts(callback, contract)

        self.read_inbound, self.inbound_answer = read_inbound, contract.answer

    def _check_signature(self, callback: Callback) -> None:
        if self._signature is not None:
            self._signature.check(callback)

    def _take_poll(self, contract: PollContract) -> None:
        request = self._with_headers(contract.request)
        by_their_id = PROVIDER_ID in names_in(contract.request)

        def prepare_poll(messages: Collection[SentMessage]) -> Submission | None:
            message = next(iter(messages), None)
            if message is None:
                return None
            theirs = message.provider_message_id or ""
            # Servers read such an id as steps between folders, also where it is percent-encoded.
            if by_their_id and (theirs in ("", ".") or ".." in theirs):
                return None
            return self._filled(request, message, {PROVIDER_ID: theirs})

        def read_poll(response: Response) -> list[Receipt]:
            return receipts_of_answer(response, contract.receipts, self._credentials)

        self.prepare_poll, self.read_poll, self.poll_limit = prepare_poll, read_poll, 1


class DeclaredAdapterWithLookUp(DeclaredAdapter):
    """A contract that declares a look-up as well."""

    def __init__(self, contract: Contract, account: Account, look_up: LookUpContract) -> None:
        super().__init__(contract, account)
        self.look_up_after = look_up.after
        self.look_up_within = look_up.within
        self._look_up = look_up
        self._look_up_request = self._with_headers(look_up.request)

    def prepare_look_up(self, message: OutgoingMessage) -> Submission:
        """The request that asks for a message."""
        return self._submission(self._look_up_request, message)

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """The meaning of its response. Raises ValueError if it has no status."""
        facts = facts_in(response, self._look_up.answer, message, secrets)
        return look_up_result(response, facts, self._look_up.meanings)


def make_adapter(account: Account) -> DeclaredAdapter:
    """The adapter of an account. Raises ConfigurationError that names the field, and the line of the contract."""
    contract = read_contract(account.options.get("contract", ""))
    if contract.look_up is None:
        return DeclaredAdapter(contract, account)
    return DeclaredAdapterWithLookUp(contract, account, contract.look_up)


PROVIDER = Provider(
    name="http",
    title="HTTP, by a contract of your own",
    make=make_adapter,
    # What every account supports. Those of an account are declared in its contract: see its adapter.
    capabilities=Capabilities(),
    sender_required=False,
    fields=(
        AccountField(name="contract", label="Contract", multiline=True),
        AccountField(name="credentials", label="Credentials", secret=True, required=False, multiline=True),
    ),
)
