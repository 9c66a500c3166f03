"""Writes of suppressions: recording one, with its effect on pending messages, and lifting one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from api.audit.recorder import name_object, nothing_changed
from api.database import execute
from api.erased_numbers.reattachment import reattach_recorded
from api.extensions import db
from api.principal import name_of_caller
from api.suppressions.queries import suppression_by_id, suppression_in_force
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from shared.json_parameter import json_parameter
from shared.logs import mask_phone
from shared.schema import Suppression
from shared.sql.suppressions import ADD_SUPPRESSIONS, CANCEL_SUPPRESSED, LIFT_SUPPRESSION

MAX_TRIES = 5
"""How often recording is tried while other requests lift what it finds in force."""


class Recorded(NamedTuple):
    """A suppression in force, and what recording it did."""

    suppression: Suppression
    is_new: bool
    """Whether it was recorded now, and not in force before."""
    cancelled: int
    """Messages that were pending, and have ended."""


def suppress(
    phone_number: int,
    scope: SuppressionScope,
    reason: SuppressionReason,
    source: RecordSource,
    *,
    gateway_id: int | None = None,
    evidence: Mapping[str, Any] | None = None,
    recorded_by: str | None = None,
) -> Recorded:
    """Records a suppression and ends the pending messages that it covers, in the session's transaction.

    One that is in force already, of the same number, scope and gateway, is returned as it is, and nothing is written.
    `gateway_id` is that of the scope `gateway`, and None for the others. `recorded_by` is the name of who did it; None
    for the recipient.
    """
    given = {
        "phone_number": phone_number,
        "scope": scope,
        "gateway_id": gateway_id,
        "reason": reason,
        "source": source,
        "evidence": dict(evidence or {}),
        "recorded_by": recorded_by,
    }
    reattach_recorded(db.session.connection(), [phone_number])
    for _ in range(MAX_TRIES):
        added = execute(ADD_SUPPRESSIONS, {"suppressions": json_parameter([given])}).first()
        if added is not None:
            cancelled = execute(CANCEL_SUPPRESSED, {"phone_numbers": [phone_number]}).rowcount
            return Recorded(suppression_by_id(added.id), True, cancelled)
        # Another transaction may lift it between the two statements: then it is recorded again.
        if (found := suppression_in_force(phone_number, scope, gateway_id)) is not None:
            return Recorded(found, False, 0)
    raise RuntimeError("the suppression was lifted again each time that it was found in force")


def add_suppression(
    phone_number: int,
    scope: SuppressionScope,
    reason: SuppressionReason,
    source: RecordSource,
    *,
    gateway_id: int | None = None,
    evidence: Mapping[str, Any],
) -> Recorded:
    """Records a suppression on behalf of the caller of this request, as `suppress` does."""
    recorded = suppress(
        phone_number,
        scope,
        reason,
        source,
        gateway_id=gateway_id,
        evidence=evidence,
        recorded_by=name_of_caller(),
    )
    if recorded.is_new:
        detail = {"phone_number": mask_phone(phone_number), "scope": scope.value, "reason": reason.value}
        name_object("suppression", recorded.suppression.id, **detail, cancelled=recorded.cancelled)
    else:
        nothing_changed()
    return recorded


def lift_suppression(suppression_id: int, evidence: Mapping[str, Any]) -> Suppression:
    """Lifts a suppression on behalf of the caller of this request. One that is lifted already stays as it is.

    Raises NotFound.
    """
    number = suppression_by_id(suppression_id).phone_number
    if number is not None:
        reattach_recorded(db.session.connection(), [number])
    given = {"id": suppression_id, "lifted_by": name_of_caller(), "evidence": json_parameter(dict(evidence))}
    if not execute(LIFT_SUPPRESSION, given).rowcount:
        nothing_changed()
    return suppression_by_id(suppression_id)
