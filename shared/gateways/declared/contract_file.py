"""Reading a declared contract from TOML. docs/gateways/http.md is the reference.

Every mistake is named with its line, and all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.gateways.base import Capabilities
from shared.gateways.declared.answer_reader import read_answer, read_look_up_meanings, read_meanings
from shared.gateways.declared.contract import Contract, LookUpContract, RequestContract
from shared.gateways.declared.document import Document, Table
from shared.gateways.declared.request_reader import (
    read_basic,
    read_credential_names,
    read_headers,
    read_request,
    templates_in,
)
from shared.gateways.declared.templates import OF_LOOK_UPS, OF_MESSAGES, SENDER, Template

MAX_TEXT = 10_000
"""The largest `max_text`: longer than any text of a mailing."""

MAX_LOOK_UP_AFTER = 86_400
"""Seconds."""

LOOK_UP_WITHIN = 86_400
"""Seconds, if the contract does not say for how long the provider knows a message: a day."""

MAX_LOOK_UP_WITHIN = 31_536_000
"""Seconds."""


def read_contract(text: str) -> Contract:
    """The contract. Raises ConfigurationError with a line for each mistake, such as `contract, line 12: …`."""
    document = Document(text)
    root = document.root
    credentials = read_credential_names(root)
    constants = (SENDER, *credentials)
    headers = read_headers(root.table("headers"), constants)
    basic = read_basic(root, constants)
    if basic and any(name.lower() == "authorization" for name in headers):
        root.mistake("basic", "and a header Authorization exclude each other")
    request = read_request(root.table("request"), (*OF_MESSAGES, *constants))
    answer = read_answer(root.table("answer"))
    meanings = read_meanings(root, answer)
    look_up = _read_look_up(root, constants)
    contract = Contract(
        credentials=credentials,
        headers=headers,
        basic=basic,
        request=request,
        answer=answer,
        meanings=meanings,
        capabilities=_read_capabilities(root.table("capabilities"), looks_up=look_up is not None),
        look_up=look_up,
    )
    _check_together(root, contract)
    root.finish()
    document.finish()
    return contract


def names_used(contract: Contract) -> frozenset[str]:
    """The placeholders that occur anywhere in the requests."""
    look_up = contract.look_up
    requests = [contract.request, *([look_up.request] if look_up else [])]
    return frozenset(name for template in _templates(contract, requests) for name in template.names)


def _templates(contract: Contract, requests: list[RequestContract]) -> Iterator[Template]:
    yield from contract.headers.values()
    yield from contract.basic or ()
    for request in requests:
        yield request.path
        yield from templates_in(request.fields)


def _read_capabilities(table: Table, *, looks_up: bool) -> Capabilities:
    capabilities = Capabilities(
        deduplicates=table.flag("deduplicates"),
        looks_up=looks_up,
        reference=table.flag("reference"),
        max_text=table.integer("max_text", 1, MAX_TEXT),
    )
    table.finish()
    return capabilities


def _read_look_up(root: Table, constants: tuple[str, ...]) -> LookUpContract | None:
    table = root.table("look_up")
    if "look_up" not in root.values:
        return None
    answer = read_answer(table.table("answer"), look_up=True)
    after = table.integer("after", 0, MAX_LOOK_UP_AFTER, required=True) or 0
    within = table.integer("within", 1, MAX_LOOK_UP_WITHIN) or LOOK_UP_WITHIN
    if within <= after:
        table.mistake("within" if "within" in table.values else "after", "leaves no time between after and within")
    look_up = LookUpContract(
        after=after,
        within=within,
        request=read_request(table, (*OF_LOOK_UPS, *constants), "after", "within", "answer", "results", "statuses"),
        answer=answer,
        meanings=read_look_up_meanings(table, answer),
    )
    if "id" not in _names(look_up.request):
        root.mistake("look_up", "does not ask by {id}")
    return look_up


def _check_together(root: Table, contract: Contract) -> None:
    """What is right alone and not together."""
    sends = _names(contract.request)
    for name in ("phone", "text"):
        if name not in sends and not (name == "phone" and "plus_phone" in sends):
            root.mistake("request", f"sends no {{{name}}}")
    if "id" not in sends:
        capabilities: Mapping[str, bool] = {
            "deduplicates": contract.capabilities.deduplicates,
            "reference": contract.capabilities.reference,
        }
        for name, declared in capabilities.items():
            if declared:
                root.table("capabilities").mistake(name, "needs {id} in the request")
        if contract.look_up:
            root.mistake("look_up", "needs {id} in the request")
        if contract.answer.reference:
            root.table("answer").mistake("reference", "needs {id} in the request")
    used = names_used(contract)
    for name in contract.credentials:
        if name not in used:
            root.mistake("credentials", f"names {name}, which is not used")


def _names(request: RequestContract) -> frozenset[str]:
    return frozenset(name for part in (request.path, *templates_in(request.fields)) for name in part.names)
