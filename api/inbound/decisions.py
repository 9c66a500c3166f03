"""Decisions of people about inbound messages: whether they refuse further messages, or want them again."""

from __future__ import annotations

from collections.abc import Iterable

from api.audit.recorder import name_object, nothing_changed
from api.clock import CLOCK
from api.database import execute
from api.extensions import db
from api.gateways.queries import gateway_names
from api.inbound.services import lock_message
from api.principal import current_principal
from api.suppressions.services import Recorded, suppress
from shared.domain.inbound_evidence import message_evidence
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import InboundDecision, RecordSource, SuppressionReason, SuppressionScope
from shared.errors import Conflict
from shared.json_parameter import json_parameter
from shared.schema import InboundMessage
from shared.sql import keywords


def decide(inbound_message_id: int, decision: InboundDecision) -> None:
    """Does what a person takes a message for, after undoing what was done because of it before.

    The same decision again changes nothing. Raises NotFound, and Conflict for a sender that is no phone number, and for
    a START if another suppression stays in force: the person would believe that the number gets messages again.
    """
    message = lock_message(inbound_message_id)
    if message.phone_number is None:
        raise Conflict("phone_number", ErrorCode.SENDER_HAS_NO_PHONE_NUMBER)
    if message.decision is decision:
        nothing_changed()
        return
    before = message.decision
    undone = _undo(message, message.phone_number, decision)
    suppressions: list[int] = []
    if decision is InboundDecision.STOP:
        suppressions = _suppress(message, message.phone_number)
    elif decision is InboundDecision.START:
        suppressions = _lift(message, message.phone_number)
    message.decision, message.decided_at, message.decided_by = decision, CLOCK, current_principal().name
    db.session.flush()
    changed = [None if before is None else before.value, decision.value]
    detail = {"decision": changed, "suppressions": sorted({*undone, *suppressions})}
    name_object("inbound_message", inbound_message_id, **detail)


def _undo(message: InboundMessage, phone_number: int, decision: InboundDecision) -> list[int]:
    """Undoes the decision before. Returns the ids of the suppressions that were lifted or recorded."""
    given = {"phone_number": phone_number, "inbound_message_id": message.id}
    if message.decision is InboundDecision.STOP:
        lift = {"lifted_by": current_principal().name, "evidence": json_parameter(_evidence(message, decision))}
        return list(execute(keywords.LIFT_REFUSAL_OF_MESSAGE, {**given, **lift}).scalars())
    if message.decision is InboundDecision.START:
        lifted = execute(keywords.READ_LIFTED_BY_MESSAGE, given).mappings().all()
        return _new(suppress(**row, recorded_by=current_principal().name) for row in lifted)
    return []


def _suppress(message: InboundMessage, phone_number: int) -> list[int]:
    recorded = suppress(
        phone_number,
        SuppressionScope.EVERYTHING,
        SuppressionReason.OPTED_OUT,
        RecordSource.KEYWORD,
        evidence=_evidence(message, InboundDecision.STOP),
        recorded_by=current_principal().name,
    )
    return _new([recorded])


def _new(recorded: Iterable[Recorded]) -> list[int]:
    """The ids of suppressions that were not in force before."""
    return [one.suppression.id for one in recorded if one.is_new]


def _lift(message: InboundMessage, phone_number: int) -> list[int]:
    start = {
        "phone_number": phone_number,
        "gateway": gateway_names()[message.gateway_id].name,
        "gateway_id": message.gateway_id,
        "sent_at": None if message.sent_at is None else message.sent_at.isoformat(),
        "received_at": message.received_at.isoformat(),
        "lifted_by": current_principal().name,
        "evidence": _evidence(message, InboundDecision.START),
    }
    given = {"starts": json_parameter([start])}
    lifted = list(execute(keywords.LIFT_REFUSALS, given).scalars())
    kept = execute(keywords.FIND_KEPT, given).scalars().first()
    if kept is not None:
        raise Conflict("decision", ErrorCode.SUPPRESSION_STAYS, suppression=kept)
    return lifted


def _evidence(message: InboundMessage, decision: InboundDecision) -> dict[str, object]:
    return message_evidence(
        message.id,
        decision=decision,
        text=message.text,
        gateway=gateway_names()[message.gateway_id].name,
        recipient=message.recipient,
        sent_at=message.sent_at,
        received_at=message.received_at,
    )
