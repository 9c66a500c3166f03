"""Reading the declaration of receipts, inbound messages and polls: where their facts stand, and what statuses mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import MESSAGE_PARAMETER, CallbackAnswer
from shared.gateways.callbacks import LONGEST_CODE
from shared.gateways.callbacks import Meaning as DeliveryMeaning
from shared.gateways.declared.answer_reader import read_places
from shared.gateways.declared.answers import JsonPath, PlaceKind, read_path
from shared.gateways.declared.contract import (
    ANY_CODE,
    BodyFormat,
    EntriesContract,
    InboundContract,
    LookUpContract,
    PollContract,
    ReceiptsContract,
    RequestContract,
)
from shared.gateways.declared.contract_checks import names_in
from shared.gateways.declared.document import Table
from shared.gateways.declared.request_reader import read_request, templates_in
from shared.gateways.declared.templates import OF_LOOK_UPS, PROVIDER_ID, RECEIPT_URL, Placeholder
from shared.gateways.declared.times import TimeFormat, read_form, read_zone

PLACES_OF_RECEIPTS = ("id", "reference", "status", "code", "message", "time", "part", "parts", "phone")
PLACES_OF_INBOUND = ("sender", "recipient", "text", "id", "time", "reference", "part", "parts")

CALLED = (BodyFormat.FORM, BodyFormat.JSON, BodyFormat.QUERY)
ANSWERED = (BodyFormat.JSON, BodyFormat.TEXT)
"""The formats of callbacks, and of answers to polls."""

KINDS = {
    BodyFormat.FORM: PlaceKind.NAME,
    BodyFormat.QUERY: PlaceKind.NAME,
    BodyFormat.JSON: PlaceKind.PATH,
    BodyFormat.TEXT: PlaceKind.PATTERN,
}

ANSWER_TYPES = ("text/plain", "text/xml", "application/json")

STATES = [state.value for state in ReceiptState]
REASONS = [reason.value for reason in UndeliveredReason]

_URL_WITH_ID = (Placeholder(RECEIPT_URL), f"?{MESSAGE_PARAMETER}=", Placeholder("id"))
"""The address for receipts with our id, from which that is read again."""


def read_receipts(root: Table, request: RequestContract, *, trusts_url: bool) -> ReceiptsContract | None:
    """The table `receipts`. Without `trusts_url`, the address of a callback can be forged."""
    table = root.table("receipts")
    if "receipts" not in root.values:
        return None
    answer = _read_answer(table)
    in_url = trusts_url and any(template.parts == _URL_WITH_ID for template in templates_in(request.fields))
    receipts = _read_receipts(table, CALLED, answer, message_in_url=in_url)
    if not (receipts.entries.places["id"] or receipts.entries.places["reference"] or in_url):
        otherwise = f", or {{{RECEIPT_URL}}}?{MESSAGE_PARAMETER}={{id}} in the request" if trusts_url else ""
        table.mistake("id", f"or reference is missing{otherwise}")
    return receipts


def read_inbound(root: Table) -> InboundContract | None:
    """The table `inbound`."""
    table = root.table("inbound")
    if "inbound" not in root.values:
        return None
    answer = _read_answer(table)
    entries = _read_entries(table, PLACES_OF_INBOUND, CALLED)
    table.finish()
    for name in ("sender", "text"):
        if name not in table.values:
            table.mistake(name, "is missing")
    together = [name for name in ("reference", "part", "parts") if name in table.values]
    if len(together) in (1, 2):
        table.mistake(together[0], "needs reference, part and parts, which put a message together")
    return InboundContract(entries, answer)


def read_poll(
    root: Table, constants: tuple[str, ...], look_up: LookUpContract | None, receipts: ReceiptsContract | None
) -> PollContract | None:
    """The table `poll`. Without a request of its own it has that of the look-up."""
    table = root.table("poll")
    if "poll" not in root.values:
        return None
    answered = table.table("receipts")
    read = _read_receipts(answered, ANSWERED, CallbackAnswer(), message_in_url=False, statuses_of=receipts)
    if not (read.entries.places["id"] or read.entries.places["reference"]):
        answered.mistake("id", "or reference is missing, which says whose delivery it is")
    if look_up and not {*table.values} & {"method", "path"}:
        table.finish()
        return PollContract(look_up.request, read)
    request = read_request(table, (*OF_LOOK_UPS, PROVIDER_ID, *constants), "receipts")
    if not names_in(request) & {"id", PROVIDER_ID}:
        root.mistake("poll", f"asks neither by {{id}} nor by {{{PROVIDER_ID}}}")
    return PollContract(request, read)


def _read_receipts(
    table: Table,
    formats: Collection[BodyFormat],
    answer: CallbackAnswer,
    *,
    message_in_url: bool,
    statuses_of: ReceiptsContract | None = None,
) -> ReceiptsContract:
    """Receipts, with the statuses of others if they have none of their own."""
    entries = _read_entries(table, PLACES_OF_RECEIPTS, formats)
    by_status = _read_statuses(table.table("statuses"))
    reasons = _read_reasons(table.table("reasons"))
    table.finish()
    if "status" not in table.values:
        table.mistake("status", "is missing")
    if reasons and not entries.places["code"]:
        table.mistake("reasons", "needs code, which says where the code stands")
    if statuses_of and not table.values.get("statuses"):
        by_status, reasons = statuses_of.by_status, reasons or statuses_of.reasons
    elif not any(meaning.state is ReceiptState.DELIVERED for meaning in by_status.values()):
        table.mistake("statuses", "must say what is delivered")
    return ReceiptsContract(entries, by_status, reasons, answer, message_in_url)


def _read_entries(table: Table, places: Collection[str], formats: Collection[BodyFormat]) -> EntriesContract:
    chosen = BodyFormat(table.text("format", [one.value for one in formats], required=True) or BodyFormat.JSON)
    return EntriesContract(
        chosen,
        _read_each(table, chosen),
        {name: read_places(table, name, KINDS[chosen]) for name in places},
        _read_times(table),
    )


def _read_each(table: Table, chosen: BodyFormat) -> JsonPath | None:
    text = table.text("each")
    if text is None:
        return None
    if chosen is not BodyFormat.JSON:
        table.mistake("each", "may stand only with the format json")
        return None
    try:
        return read_path(text)
    except ValueError as mistake:
        table.mistake("each", str(mistake))
        return None


def _read_times(table: Table) -> TimeFormat:
    form, zone = table.text("time_format"), table.text("time_offset")
    times = TimeFormat()
    try:
        times = TimeFormat(read_form(form)) if form else times
    except ValueError as mistake:
        table.mistake("time_format", str(mistake))
    try:
        return TimeFormat(times.form, read_zone(zone)) if zone else times
    except ValueError as mistake:
        table.mistake("time_offset", str(mistake))
        return times


def _read_answer(table: Table) -> CallbackAnswer:
    body, kind = table.text("answer") or "", table.text("answer_type", ANSWER_TYPES)
    if kind and not body:
        table.mistake("answer_type", "needs answer")
    return CallbackAnswer(body.encode(), f"{kind or ANSWER_TYPES[0]}; charset=utf-8")


def _read_statuses(table: Table) -> Mapping[str, DeliveryMeaning]:
    meanings = {}
    for status, value in table.values.items():
        reason = None
        if isinstance(value, dict):
            more = table.table(status)
            state = more.text("state", STATES, required=True)
            if state == ReceiptState.UNDELIVERED:
                reason = more.text("reason", REASONS)
            more.finish()
        else:
            state = table.text(status, STATES)
        _check_code(table, status)
        if state == ReceiptState.UNDELIVERED:
            reason = reason or UndeliveredReason.OTHER
        if state:
            meanings[status] = DeliveryMeaning((ReceiptState(state), UndeliveredReason(reason) if reason else None))
    return meanings


def _read_reasons(table: Table) -> Mapping[str, UndeliveredReason]:
    reasons = {}
    for code in table.values:
        _check_code(table, code)
        if name := table.text(code, REASONS):
            reasons[code] = UndeliveredReason(name)
    return reasons


def _check_code(table: Table, code: str) -> None:
    if code != ANY_CODE and not (0 < len(code) <= LONGEST_CODE and code.isprintable()):
        table.mistake(code, f"must be a code of at most {LONGEST_CODE} characters")
