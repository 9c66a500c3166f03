"""Writes of consents: recording one, and withdrawing one, with its effect on pending messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from api.audit.recorder import name_object, nothing_changed
from api.clock import now
from api.consents.queries import consent_by_id, equal_consent
from api.database import execute
from api.principal import name_of_caller
from shared.domain.evidence import CLOCK_TOLERANCE
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import RecordSource
from shared.errors import Invalid
from shared.json_parameter import json_parameter
from shared.logs import mask_phone
from shared.schema import Consent
from shared.sql.consents import ADD_CONSENTS, CANCEL_WITHOUT_CONSENT, LOCK_CONSENTS, WITHDRAW_CONSENT


class Recorded(NamedTuple):
    """A consent, and whether it was recorded now."""

    consent: Consent
    is_new: bool


def add_consent(given: Mapping[str, Any], evidence: Mapping[str, Any], source: RecordSource) -> Recorded:
    """Records a consent on behalf of the caller of this request.

    `given` has its number, purpose, method, wording and `given_at`. An equal one that is recorded is returned as it is,
    even if it has been withdrawn, and nothing is written. Raises Invalid for a time in the future.
    """
    if given["given_at"] > now() + CLOCK_TOLERANCE:
        raise Invalid("given_at", ErrorCode.IN_THE_FUTURE)
    row = {**given, "given_at": given["given_at"].isoformat(), "evidence": dict(evidence)}
    row |= {"source": source, "recorded_by": name_of_caller()}
    execute(LOCK_CONSENTS, {})
    added = execute(ADD_CONSENTS, {"consents": json_parameter([row])}).first()
    if added is None:
        nothing_changed()
        return Recorded(equal_consent(given), False)
    detail = {"phone_number": mask_phone(given["phone_number"]), "purpose": given["purpose"]}
    name_object("consent", added.id, **detail)
    return Recorded(consent_by_id(added.id), True)


def withdraw_consent(consent_id: int, evidence: Mapping[str, Any], withdrawn_at: datetime | None) -> Consent:
    """Withdraws a consent on behalf of the caller of this request, and ends the pending messages that needed it.

    `withdrawn_at` is when the person did it; None for now. One that is withdrawn already stays as it is. Raises
    NotFound, and Invalid for a time in the future or before the consent.
    """
    consent = consent_by_id(consent_id)
    if withdrawn_at is not None and withdrawn_at > now() + CLOCK_TOLERANCE:
        raise Invalid("withdrawn_at", ErrorCode.IN_THE_FUTURE)
    if withdrawn_at is not None and withdrawn_at < consent.given_at:
        raise Invalid("withdrawn_at", ErrorCode.WITHDRAWN_BEFORE_GIVEN)
    withdrawal = {
        "id": consent_id,
        "withdrawn_at": withdrawn_at,
        "recorded_by": name_of_caller(),
        "evidence": json_parameter(dict(evidence)),
    }
    withdrawn = execute(WITHDRAW_CONSENT, withdrawal).first()
    if withdrawn is None:
        nothing_changed()
    elif withdrawn.phone_number is not None:
        ended = execute(CANCEL_WITHOUT_CONSENT, {"phone_numbers": [withdrawn.phone_number]}).rowcount
        name_object("consent", consent_id, ended_messages=ended)
    return consent_by_id(consent_id)
