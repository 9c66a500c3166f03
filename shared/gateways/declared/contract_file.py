"""Reading a declared contract from TOML. docs/gateways/http.md is the reference.

Every mistake is named with its line, and all of them at once.
"""

from __future__ import annotations

from dataclasses import replace

from shared.gateways.base import Capabilities
from shared.gateways.declared.answer_reader import read_answer, read_look_up_meanings, read_meanings
from shared.gateways.declared.callback_reader import read_inbound, read_poll, read_receipts
from shared.gateways.declared.contract import Contract, LookUpContract
from shared.gateways.declared.contract_checks import check_together, names_in
from shared.gateways.declared.document import Document, Table
from shared.gateways.declared.request_reader import (
    read_basic,
    read_credential_names,
    read_headers,
    read_request,
)
from shared.gateways.declared.signature_reader import read_signature
from shared.gateways.declared.templates import OF_LOOK_UPS, OF_MESSAGES, RECEIPT_URL, SENDER

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
    request = read_request(root.table("request"), (*OF_MESSAGES, *constants), in_fields=(RECEIPT_URL,))
    answer = read_answer(root.table("answer"))
    meanings = read_meanings(root, answer)
    look_up = _read_look_up(root, constants)
    signature = read_signature(root, credentials)
    receipts = read_receipts(root, request, trusts_url=signature is None or signature.hmac is None)
    contract = Contract(
        credentials=credentials,
        headers=headers,
        basic=basic,
        request=request,
        answer=answer,
        meanings=meanings,
        capabilities=_read_capabilities(root.table("capabilities")),
        look_up=look_up,
        receipts=receipts,
        inbound=read_inbound(root),
        poll=read_poll(root, constants, look_up, receipts),
        signature=signature,
    )
    check_together(root, contract)
    root.finish()
    document.finish()
    return replace(contract, capabilities=_capabilities_of(contract))


def _read_capabilities(table: Table) -> Capabilities:
    capabilities = Capabilities(
        deduplicates=table.flag("deduplicates"),
        reference=table.flag("reference"),
        max_text=table.integer("max_text", 1, MAX_TEXT),
    )
    table.finish()
    return capabilities


def _capabilities_of(contract: Contract) -> Capabilities:
    """Those that are declared, and those that follow from what else is."""
    return replace(
        contract.capabilities,
        looks_up=contract.look_up is not None,
        receipts=contract.receipts is not None,
        inbound=contract.inbound is not None,
        polls=contract.poll is not None,
        signs=contract.signature is not None,
    )


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
    if "id" not in names_in(look_up.request):
        root.mistake("look_up", "does not ask by {id}")
    return look_up
