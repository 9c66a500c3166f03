"""Reading receipts and inbound messages by a declared contract."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.domain.delivery import ReceiptState
from shared.gateways.base import Callback, InboundPart, Receipt, Response, message_id_of
from shared.gateways.callbacks import Meaning, all_readable, form_of, inbound_of, receipt_of
from shared.gateways.declared.answers import JsonPath, first_at, parse
from shared.gateways.declared.contract import (
    ANY_CODE,
    BodyFormat,
    EntriesContract,
    InboundContract,
    ReceiptsContract,
)


def receipts_of_callback(callback: Callback, contract: ReceiptsContract, secrets: Collection[str]) -> list[Receipt]:
    """The receipts of a callback, with `secrets` masked. Raises ValueError if it does not follow the contract."""
    message_id = callback.message_id if contract.message_in_url else None
    entries = _entries_of(callback, contract.entries)
    return all_readable(entries, lambda entry: _receipt_of(entry, contract, message_id, secrets))


def receipts_of_answer(response: Response, contract: ReceiptsContract, secrets: Collection[str]) -> list[Receipt]:
    """Those of the answer to a poll. Raises ValueError if it does not follow the contract."""
    if response.status is None or not 200 <= response.status < 300:
        raise ValueError(f"The answer has the status {response.status}.")
    entries = _entries_in(response.body, contract.entries)
    return all_readable(entries, lambda entry: _receipt_of(entry, contract, None, secrets))


def _receipt_of(entry: object, contract: ReceiptsContract, message_id: int | None, secrets: Collection[str]) -> Receipt:
    found = {name: first_at(places, entry) for name, places in contract.entries.places.items()}
    status, code = found["status"], found["code"]
    if status is None:
        raise ValueError("The receipt has no status.")
    meaning = contract.by_status.get(status) or contract.by_status.get(ANY_CODE) or Meaning.ON_ITS_WAY
    if meaning.state is ReceiptState.UNDELIVERED and code is not None:
        meaning = Meaning((meaning.state, contract.reasons.get(code, meaning.reason)))
    return receipt_of(
        meaning,
        message_id=message_id_of(found["reference"]) or message_id,
        provider_message_id=found["id"],
        code=code or status,
        words=found["message"],
        at=contract.entries.times.read(found["time"]),
        part=found["part"],
        parts=found["parts"],
        recipient=found["phone"],
        secrets=secrets,
    )


def inbound_parts(callback: Callback, contract: InboundContract) -> list[InboundPart]:
    """The messages of a callback. Raises ValueError if it does not follow the contract."""

    def part_in(entry: object) -> InboundPart:
        found = {name: first_at(places, entry) for name, places in contract.entries.places.items()}
        return inbound_of(
            sender=found["sender"],
            recipient=found["recipient"],
            text=_text_in(entry, contract.entries),
            provider_message_id=found["id"],
            at=contract.entries.times.read(found["time"]),
            reference=found["reference"],
            part=found["part"],
            parts=found["parts"],
        )

    return all_readable(_entries_of(callback, contract.entries), part_in)


def _text_in(entry: object, contract: EntriesContract) -> object:
    """The text of a message, which may be empty."""
    places = (place for place in contract.places["text"] if isinstance(place, JsonPath))
    nodes = (node for place in places for node in place.nodes(entry))
    return next((node for node in nodes if isinstance(node, str)), None)


def _entries_of(callback: Callback, contract: EntriesContract) -> Sequence[object]:
    if contract.format is BodyFormat.QUERY:
        return [dict(callback.query)]
    if contract.format is BodyFormat.FORM:
        if not callback.body:
            raise ValueError("The body is empty.")
        return [form_of(callback)]
    return _entries_in(callback.body, contract)


def _entries_in(body: bytes, contract: EntriesContract) -> Sequence[object]:
    is_json = contract.format is BodyFormat.JSON
    parsed = parse(body, is_json=is_json)
    if is_json and not isinstance(parsed, dict | list):
        raise ValueError("The body is no JSON object or list.")
    return [parsed] if contract.each is None else contract.each.nodes(parsed)
