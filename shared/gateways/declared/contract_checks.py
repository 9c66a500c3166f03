"""What is right alone in a declared contract and not together, and the placeholders that it has."""

from __future__ import annotations

from collections.abc import Iterator

from shared.gateways.declared.contract import BodyFormat, Contract, RequestContract
from shared.gateways.declared.document import Table
from shared.gateways.declared.request_reader import templates_in
from shared.gateways.declared.templates import PROVIDER_ID, RECEIPT_URL, Template


def names_used(contract: Contract) -> frozenset[str]:
    """The placeholders that occur anywhere in the requests and the signature."""
    return frozenset(name for template in _templates(contract) for name in template.names)


def _templates(contract: Contract) -> Iterator[Template]:
    yield from contract.headers.values()
    yield from contract.basic or ()
    if contract.signature:
        yield contract.signature.secret
    others = [part.request for part in (contract.look_up, contract.poll) if part]
    for request in (contract.request, *others):
        yield request.path
        yield from templates_in(request.fields)


def names_in(request: RequestContract) -> frozenset[str]:
    """The placeholders in the path and the fields of a request."""
    return frozenset(name for part in (request.path, *templates_in(request.fields)) for name in part.names)


def check_together(root: Table, contract: Contract) -> None:
    """What is right alone and not together."""
    sends = names_in(contract.request)
    for name in ("phone", "text"):
        if name not in sends and not (name == "phone" and "plus_phone" in sends):
            root.mistake("request", f"sends no {{{name}}}")
    if "id" not in sends:
        for name in ("deduplicates", "reference"):
            if getattr(contract.capabilities, name):
                root.table("capabilities").mistake(name, "needs {id} in the request")
        if contract.look_up:
            root.mistake("look_up", "needs {id} in the request")
        if contract.answer.reference:
            root.table("answer").mistake("reference", "needs {id} in the request")
    used = names_used(contract)
    for name in contract.credentials:
        if name not in used:
            root.mistake("credentials", f"names {name}, which is not used")
    _check_callbacks(root, contract)


def _check_callbacks(root: Table, contract: Contract) -> None:
    """The same of what the provider reports."""
    receipts, poll, answer = contract.receipts, contract.poll, contract.answer
    sends = names_in(contract.request)
    if receipts is None and RECEIPT_URL in sends:
        root.mistake("request", f"has {{{RECEIPT_URL}}}, and the contract has no receipts")
    if contract.signature and not (receipts or contract.inbound):
        root.mistake("signature", "needs receipts or inbound: only callbacks are signed")
    if contract.signature and contract.signature.hmac:
        for name, part in (("receipts", receipts), ("inbound", contract.inbound)):
            if part and part.entries.format is BodyFormat.QUERY:
                root.table(name).mistake("format", "must be form or json: an HMAC covers the body")
    reported = [(root.table("receipts"), receipts), (root.table("poll").table("receipts"), poll and poll.receipts)]
    for table, read in reported:
        places = read.entries.places if read else {}
        if places.get("reference") and "id" not in sends:
            table.mistake("reference", "needs {id} in the request")
        if places.get("id") and not (places.get("reference") or answer.id or (read and read.message_in_url)):
            table.mistake("id", "needs answer.id, which tells it when the message is accepted")
        if places.get("part") and not (places.get("parts") or answer.segments):
            table.mistake("part", "needs parts, or answer.segments, which says how many there are")
    if poll and not answer.id and PROVIDER_ID in names_in(poll.request):
        root.mistake("poll", f"has {{{PROVIDER_ID}}}, which needs answer.id")
