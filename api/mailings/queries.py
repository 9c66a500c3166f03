"""What the API asks of mailings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    inspect,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from api.audit.recorder import changes_of, nothing_changed, record_changes
from api.auth.principal import name_of_caller
from api.database import execute
from api.extensions import db
from shared.domain.mailing_rules import MailingFields, check_change, check_fields, warnings_about
from shared.domain.statuses import OPEN_STATUSES, MessageStatus
from shared.errors import NotFound
from shared.schema import Client, Mailing, MailingEvent, MailingText, MessageCountDelta
from shared.sql import mailings

# The clock of now, where now() is that of the transaction's start, which may have waited for a lock since.
NOW = func.clock_timestamp()

_LISTED = select(Mailing).where(Mailing.deleted_at.is_(None))
_ONE = _LISTED.where(Mailing.id == bindparam("mailing_id"))
_PAGE = _LISTED.where(Mailing.id > bindparam("after")).order_by(Mailing.id).limit(bindparam("limit"))

_COLUMNS = tuple(column.key for column in inspect(Mailing).column_attrs)
_STATUSES = tuple(status.value for status in MessageStatus)

Report = dict[str, Any]
"""The columns of a mailing with its `text`, `messages` (by status) and `warnings`."""


def mailings_after(after: int, limit: int) -> Sequence[Report]:
    """The mailings with a greater id that are not removed, in order."""
    return reports_of(_PAGE, after=after, limit=limit)


def mailing_by_id(mailing_id: int) -> Report:
    """The mailing. Raises NotFound, also for one that is removed."""
    reports = reports_of(_ONE, mailing_id=mailing_id)
    if not reports:
        raise NotFound("mailing", mailing_id)
    return reports[0]


def reports_of(page: Select[Any], **parameters: Any) -> list[Report]:
    """Those mailings with all that is reported of them, in the order of their ids."""
    return [_report(*row) for row in db.session.execute(_statement(page), parameters)]


def check_mailing(mailing_id: int) -> None:
    """Raises NotFound when there is no such mailing, or it is removed."""
    if not db.session.scalar(select(true()).where(Mailing.id == mailing_id, Mailing.deleted_at.is_(None))):
        raise NotFound("mailing", mailing_id)


def lock_mailing(mailing_id: int, *, removed: bool = False) -> tuple[Mailing, MailingFields]:
    """The mailing and its terms, kept from workers and everybody else until the end of the transaction.

    Raises NotFound, also for one that is removed, unless `removed` says that it may be.
    """
    # First the lock that claims take too: where that is asked for, they queue. The row's own they would keep for ever,
    # one after another (shared/sql/claims.py).
    db.session.execute(select(func.pg_advisory_xact_lock(mailing_id)))
    mailing = db.session.get(Mailing, mailing_id, with_for_update=True, populate_existing=True)
    if mailing is None or (mailing.deleted_at is not None and not removed):
        raise NotFound("mailing", mailing_id)
    # Asked for only now: who waited for the lock would not find a text that was written meanwhile by a join.
    text = db.session.get_one(MailingText, (mailing_id, mailing.text_revision))
    return mailing, MailingFields(
        mark=mailing.mark,
        text=text.text,
        start_datetime=mailing.start_datetime,
        end_datetime=mailing.end_datetime,
        on_unknown=mailing.on_unknown,
    )


def add_mailing(terms: MailingFields) -> int:
    """Adds a mailing and answers its id. Raises Invalid."""
    check_fields(terms)
    mailing = Mailing(
        mark=terms.mark,
        start_datetime=terms.start_datetime,
        end_datetime=terms.end_datetime,
        on_unknown=terms.on_unknown,
        text_revision=1,
    )
    db.session.add(mailing)
    db.session.flush()
    _write_text(mailing, terms.text)
    return mailing.id


def change_mailing(mailing: Mailing, before: MailingFields, after: MailingFields) -> None:
    """Changes a locked mailing; a new text is a new revision. Raises Invalid and Conflict."""
    changed = check_change(mailing, before, after)
    if not changed:
        nothing_changed()
        return
    record_changes(asdict(before), asdict(after))
    changes = changes_of(asdict(before), asdict(after))
    if "text" in changed:
        mailing.text_revision += 1
        _write_text(mailing, after.text)
        changes["text"] = [mailing.text_revision - 1, mailing.text_revision]
    for term in changed:
        if term != "text":
            setattr(mailing, term, getattr(after, term))
    mailing.updated_at = NOW
    write_down(mailing, "edit", changes=changes)


def remove_mailing(mailing: Mailing) -> None:
    """Deletes a locked mailing that has not been launched; cancels one that has, and hides it."""
    if not mailing.launch_began:
        execute(mailings.DELETE_MAILING, {"mailing_id": mailing.id})
        db.session.expunge(mailing)
        return
    execute(mailings.HIDE_MAILING, {"mailing_id": mailing.id}, changes=[mailing])
    write_down(mailing, "remove")


def write_down(
    mailing: Mailing, action: str, detail: str | None = None, changes: Mapping[str, Any] | None = None
) -> None:
    """Adds to the journal what was done to a mailing, and by whom. `changes` are an edit's, as the model has them."""
    entry = MailingEvent(mailing_id=mailing.id, action=action, detail=detail, actor_name=name_of_caller())
    entry.changes = dict(changes) if changes else None
    db.session.add(entry)
    db.session.flush()


def _write_text(mailing: Mailing, text: str) -> None:
    db.session.add(MailingText(mailing_id=mailing.id, revision=mailing.text_revision, text=text))
    db.session.flush()


@lru_cache(maxsize=16)  # to put it together takes longer than to execute it
def _statement(page: Select[Any]) -> Select[Any]:
    # One statement for the whole page, so that a mailing's audience and counts are of one moment and add up.
    mailing = aliased(Mailing, page.subquery("page"))
    # What belongs to a row is looked up row by row: a join could read the whole of the other table.
    counts = _counts(mailing.id)
    return (
        select(mailing, _text(mailing), _somebody_matches(mailing), NOW, *counts.c)
        .join(counts, true())
        .order_by(mailing.id)
    )


def _text(mailing: type[Mailing]) -> ScalarSelect[str]:
    return (
        select(MailingText.text)
        .where(MailingText.mailing_id == mailing.id, MailingText.revision == mailing.text_revision)
        .scalar_subquery()
    )


def _counts(mailing_id: InstrumentedAttribute[int]) -> LateralFromClause:
    sums = (func.sum(MessageCountDelta.delta).filter(MessageCountDelta.status == status) for status in MessageStatus)
    return (
        select(*(cast(func.coalesce(one, 0), BigInteger).label(f"n{place}") for place, one in enumerate(sums)))
        .where(MessageCountDelta.mailing_id == mailing_id)
        .lateral("counts")
    )


def _open(counts: Sequence[int]) -> int:
    return sum(count for status, count in zip(MessageStatus, counts, strict=True) if status in OPEN_STATUSES)


def _somebody_matches(mailing: type[Mailing]) -> ColumnElement[bool]:
    waiting = and_(mailing.launch_started_at.is_(None), mailing.ended_at.is_(None))
    match = or_(*(_first(column, mailing.mark) == mailing.mark for column in (Client.operator_code, Client.tag)))
    return case((waiting, match), else_=false())


def _first(column: InstrumentedAttribute[str], mark: InstrumentedAttribute[str]) -> ScalarSelect[str]:
    # The first value from `mark` on in the index's order, to be compared with it: one step in the index. An EXISTS
    # for the value itself may read the whole table, where the planner takes it for a common one.
    return select(column).where(column >= mark).order_by(column).limit(1).scalar_subquery()


def _report(mailing: Mailing, text: str, somebody_matches: bool | None, now: datetime, *counts: int) -> Report:
    # All columns have just been read: to ask the mapped attributes for each of them takes a third of a page's time.
    loaded = vars(mailing)
    return {name: loaded[name] for name in _COLUMNS} | {
        "text": text,
        "messages": dict(zip(_STATUSES, counts, strict=True)),
        "warnings": warnings_about(
            mailing, somebody_matches=bool(somebody_matches), open_messages=_open(counts), now=now
        ),
    }
