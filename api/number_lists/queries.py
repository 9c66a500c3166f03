"""Reads of number lists."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import NumberList


def number_lists_after(after: int, limit: int) -> Sequence[NumberList]:
    """The lists with a greater id, in order."""
    complete = NumberList.is_complete, NumberList.id > after
    return db.session.scalars(select(NumberList).where(*complete).order_by(NumberList.id).limit(limit)).all()


def number_list_by_id(list_id: int) -> NumberList:
    """The list. Raises NotFound, also for one that is being uploaded or removed."""
    found = db.session.get(NumberList, list_id)
    if found is None or not found.is_complete:
        raise NotFound(ErrorCode.NO_SUCH_NUMBER_LIST, list=list_id)
    return found


def is_name_taken(name: str) -> bool:
    """Whether a list has this name."""
    return db.session.scalar(select(NumberList.id).where(NumberList.name == name)) is not None
