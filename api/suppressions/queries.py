"""Reads of suppressions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select, tablesample
from sqlalchemy.orm import aliased

from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import SuppressionScope
from shared.errors import NotFound
from shared.schema import Suppression

COUNTED = 100_000
"""Suppressions that are counted: some ten milliseconds."""

SuppressionRow = Suppression
"""A suppression, as the queries and services return it."""


def suppressions_after(
    after: int,
    limit: int,
    phone_number: int | None = None,
    scope: SuppressionScope | None = None,
    *,
    in_force: bool = False,
) -> Sequence[Suppression]:
    """The suppressions with a greater id that pass every filter given, in order."""
    numbers = None if phone_number is None else [phone_number]
    wanted = _matching(numbers, scope, in_force=in_force).where(Suppression.id > after)
    return db.session.scalars(wanted.order_by(Suppression.id).limit(limit)).all()


def suppressions_before(
    before: int,
    limit: int,
    phone_numbers: Sequence[int] | None = None,
    scope: SuppressionScope | None = None,
    *,
    in_force: bool = False,
) -> Sequence[Suppression]:
    """The suppressions with a smaller id that pass every filter given, latest first."""
    wanted = _matching(phone_numbers, scope, in_force=in_force).where(Suppression.id < before)
    return db.session.scalars(wanted.order_by(Suppression.id.desc()).limit(limit)).all()


def _matching(
    phone_numbers: Sequence[int] | None, scope: SuppressionScope | None, *, in_force: bool
) -> Select[Suppression]:
    wanted = select(Suppression)
    if phone_numbers is not None:
        wanted = wanted.where(Suppression.phone_number.in_(phone_numbers))
    if scope is not None:
        wanted = wanted.where(Suppression.scope == scope)
    if in_force:
        wanted = wanted.where(Suppression.lifted_at.is_(None))
    return wanted


def suppression_by_id(suppression_id: int) -> Suppression:
    """The suppression as it is now. Raises NotFound."""
    found = db.session.get(Suppression, suppression_id, populate_existing=True)
    if found is None:
        raise NotFound(ErrorCode.NO_SUCH_SUPPRESSION, suppression=suppression_id)
    return found


def estimate_in_force() -> dict[SuppressionScope, float]:
    """How many suppressions are in force by their scopes: counted, or estimated from a part of more than COUNTED."""
    rows = db.session.scalars(select(func.pg_stat_get_live_tuples(func.to_regclass("suppression")))).one() or 0
    percent = min(100.0, 100.0 * COUNTED / max(rows, 1))
    part = tablesample(Suppression, func.system(percent))
    sample = aliased(Suppression, part)
    counted = select(sample.scope, func.count()).where(sample.lifted_at.is_(None)).group_by(sample.scope)
    found = {scope: count * 100.0 / percent for scope, count in db.session.execute(counted)}
    return {scope: found.get(scope, 0.0) for scope in SuppressionScope}


def suppression_in_force(
    phone_number: int, scope: SuppressionScope, gateway_id: int | None = None
) -> Suppression | None:
    """The suppression of that number, scope and gateway that is in force; None if there is none."""
    found = select(Suppression).where(
        Suppression.phone_number == phone_number,
        Suppression.scope == scope,
        Suppression.gateway_id.is_not_distinct_from(gateway_id),
        Suppression.lifted_at.is_(None),
    )
    return db.session.scalar(found.execution_options(populate_existing=True))
