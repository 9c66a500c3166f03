"""A contract that is declared in the account: for providers that have no adapter of their own.

The option `contract` says in TOML how the provider is called and what its answers mean; docs/gateways/http.md is its
reference. The credentials that it names are entered beside it, one `name = value` a line. Nothing is verified here
about any provider: the contract is as right as who wrote it.

Values never become part of a request by being pasted into it: JSON is written by json, forms, queries and paths are
percent-encoded, and headers, which are the same for every message, are checked once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from shared.domain.text_segments import segments_of
from shared.gateways.base import (
    Account,
    AccountField,
    Capabilities,
    LookUpResult,
    OutgoingMessage,
    Provider,
    Response,
    Submission,
    SubmitResult,
)
from shared.gateways.declared.contract import Contract, LookUpContract, RequestContract
from shared.gateways.declared.contract_file import read_contract
from shared.gateways.declared.reading import AnswerReader, look_up_result, submit_result
from shared.gateways.declared.requests import authorization_of, constants_of, headers_of, path_and_body
from shared.gateways.text_checks import refusal_of

CAPABILITIES = Capabilities()
"""What every account supports. Those of an account are declared in its contract: see its adapter."""


class _Request(NamedTuple):
    """A request of the contract, with the headers of the account."""

    contract: RequestContract
    headers: Mapping[str, str]


class HttpAdapter:
    """A declared contract as an adapter. Any thread may use it."""

    def __init__(self, contract: Contract, account: Account) -> None:
        """Raises ConfigurationError that names the field, for values that the contract cannot have."""
        self._contract = contract
        self.capabilities = contract.capabilities
        self._constants = constants_of(contract, account)
        authorization = authorization_of(contract, self._constants)
        credentials = [self._constants[name] for name in contract.credentials]
        self._credentials = (*credentials, *([authorization.split()[1]] if authorization else []))
        self._request = self._with_headers(contract.request)
        self._answers = AnswerReader(contract.answer)

    def segments(self, text: str) -> int:
        """The contract says nothing about segments: as a phone network splits the text."""
        return segments_of(text).count

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if the text is too long or not valid Unicode."""
        refusal = refusal_of(message.text, self.capabilities.max_text)
        return refusal if refusal is not None else self._submission(self._request, message)

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response, whose number and id are compared with the message's where it has them."""
        return submit_result(response, self._answers.read(response, message, secrets), self._contract.meanings)

    def _with_headers(self, request: RequestContract) -> _Request:
        return _Request(request, headers_of(self._contract, request, self._constants))

    def _submission(self, request: _Request, message: OutgoingMessage) -> Submission:
        contract, headers = request
        message_id, phone, text = str(message.message_id), str(message.phone_number), message.text
        own = {"id": message_id, "phone": phone, "plus_phone": f"+{phone}", "text": text}
        path, body = path_and_body(contract, {**self._constants, **own})
        return Submission(contract.method, path, headers, body, (phone, text, *self._credentials))


class HttpAdapterWithLookUp(HttpAdapter):
    """A contract that declares a look-up as well."""

    def __init__(self, contract: Contract, account: Account, look_up: LookUpContract) -> None:
        super().__init__(contract, account)
        self.look_up_after = look_up.after
        self.look_up_within = look_up.within
        self._look_up = look_up
        self._look_up_request = self._with_headers(look_up.request)
        self._look_up_answers = AnswerReader(look_up.answer)

    def prepare_look_up(self, message: OutgoingMessage) -> Submission:
        """The request that asks for a message."""
        return self._submission(self._look_up_request, message)

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """The meaning of its response. Raises ValueError if it has no status."""
        facts = self._look_up_answers.read(response, message, secrets)
        return look_up_result(response, facts, self._look_up.meanings)


def make_adapter(account: Account) -> HttpAdapter:
    """The adapter of an account. Raises ConfigurationError that names the field, and the line of the contract."""
    contract = read_contract(account.options.get("contract", ""))
    if contract.look_up is None:
        return HttpAdapter(contract, account)
    return HttpAdapterWithLookUp(contract, account, contract.look_up)


PROVIDER = Provider(
    name="http",
    title="HTTP, by a contract of your own",
    make=make_adapter,
    capabilities=CAPABILITIES,
    sender_required=False,
    fields=(
        AccountField(name="contract", label="Contract", multiline=True),
        AccountField(name="credentials", label="Credentials", secret=True, required=False, multiline=True),
    ),
)
