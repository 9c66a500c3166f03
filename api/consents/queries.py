"""Reads of consents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select

from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import Consent

ConsentRow = Consent
"""A consent, as the queries and services return it."""


def consents_after(
    after: int,
    limit: int,
    phone_number: int | None = None,
    purpose: str | None = None,
    *,
    in_force: bool = False,
) -> Sequence[Consent]:
    """The consents with a greater id that pass every filter given, in order."""
    numbers = None if phone_number is None else [phone_number]
    wanted = _matching(numbers, purpose, in_force=in_force).where(Consent.id > after)
    return db.session.scalars(wanted.order_by(Consent.id).limit(limit)).all()


def consents_before(
    before: int,
    limit: int,
    phone_numbers: Sequence[int] | None = None,
    purpose: str | None = None,
    *,
    in_force: bool = False,
) -> Sequence[Consent]:
    """The consents with a smaller id that pass every filter given, latest first."""
    wanted = _matching(phone_numbers, purpose, in_force=in_force).where(Consent.id < before)
    return db.session.scalars(wanted.order_by(Consent.id.desc()).limit(limit)).all()


def _matching(phone_numbers: Sequence[int] | None, purpose: str | None, *, in_force: bool) -> Select[Consent]:
    wanted = select(Consent)
    if phone_numbers is not None:
        wanted = wanted.where(Consent.phone_number.in_(phone_numbers))
    if purpose is not None:
        wanted = wanted.where(Consent.purpose == purpose)
    if in_force:
        wanted = wanted.where(Consent.withdrawn_at.is_(None))
    return wanted


def consent_by_id(consent_id: int) -> Consent:
    """The consent as it is now. Raises NotFound."""
    found = db.session.get(Consent, consent_id, populate_existing=True)
    if found is None:
        raise NotFound(ErrorCode.NO_SUCH_CONSENT, consent=consent_id)
    return found


def equal_consent(given: Mapping[str, Any]) -> Consent:
    """The first consent that is recorded with the same number, purpose, time, method and wording."""
    same = (
        getattr(Consent, name) == given[name] for name in ("phone_number", "purpose", "given_at", "method", "wording")
    )
    return db.session.scalars(select(Consent).where(*same).order_by(Consent.id).limit(1)).one()
