"""Writes of number lists: uploading and removing one.

Both take many transactions, since a list may have millions of numbers. Until the last one the list is not complete, and
nothing shows or uses it. What a killed process leaves is removed by an upload at least a day later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from api.audit.recorder import name_object
from api.database import execute
from api.extensions import db
from api.number_lists import sql
from api.number_lists.new_clients import Matched, NewClients, match
from api.number_lists.number_lines import NumberLines
from api.number_lists.queries import is_name_taken, number_list_by_id
from shared.domain.segments.tree import Operator
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, Invalid, NotFound
from shared.schema import NumberList

BATCH = 100_000
"""Numbers that are added or removed in one transaction: some tenths of a second."""


class Uploaded(NamedTuple):
    """A list that was uploaded."""

    number_list: NumberList
    lines: NumberLines
    repeated: int
    """Lines whose number is in a line before."""
    matched: Matched


def upload(name: str, lines: NumberLines, new: NewClients | None) -> Uploaded:
    """Adds a list with the numbers of a file. With `new`, numbers that are no clients are added to the directory.

    Raises Conflict for a name that is taken, Invalid for a file without a number, and what reading it raises.
    """
    if is_name_taken(name):
        raise Conflict("name", ErrorCode.NUMBER_LIST_NAME_TAKEN)
    db.session.rollback()  # no transaction is open while the file is read
    _remove_leftovers(db.engine)
    list_id = _begin(db.engine)
    try:
        count = sum(_add(db.engine, list_id, numbers) for numbers in _batches(lines))
        _check_numbers(count)
        matched = match(db.engine, list_id, new)
        execute(sql.COMPLETE, {"list_id": list_id, "name": name, "numbers": count})
        name_object("number_list", list_id, numbers=count)
        db.session.commit()
    except BaseException:
        # If the database is unavailable, a later upload removes it.
        with suppress(DBAPIError):
            db.session.rollback()
            _remove(db.engine, list_id)
        raise
    return Uploaded(number_list_by_id(list_id), lines, lines.accepted - count, matched)


def remove(list_id: int) -> None:
    """Removes a list. Raises NotFound, and Conflict while a saved segment or a mailing to be launched uses it."""
    found = db.session.scalar(select(NumberList).where(NumberList.id == list_id).with_for_update())
    if found is None or not found.is_complete:
        raise NotFound(ErrorCode.NO_SUCH_NUMBER_LIST, list=list_id)
    _check_unused(list_id)
    execute(sql.HIDE, {"list_id": list_id, "name": _made_up_name()}, changes=[found])
    db.session.commit()
    _remove(db.engine, list_id)


def _check_unused(list_id: int) -> None:
    operator = json.dumps(Operator.IN_LIST.value)
    path = {"path": f"$.** ? (@.operator == {operator} && @.value == {list_id:d})"}
    segment = execute(sql.SEGMENT_WITH, path).scalar()
    if segment is not None:
        raise Conflict("number_list", ErrorCode.NUMBER_LIST_IN_SEGMENT, segment=segment)
    mailing = execute(sql.MAILING_WITH, path).scalar()
    if mailing is not None:
        raise Conflict("number_list", ErrorCode.NUMBER_LIST_IN_MAILING, mailing=mailing)


def _check_numbers(count: int) -> None:
    if not count:
        raise Invalid("name", ErrorCode.NUMBER_LIST_HAS_NO_NUMBER)


def _made_up_name() -> str:
    return f"incomplete {secrets.token_hex(16)}"


def _begin(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.exec_driver_sql(sql.BEGIN, {"name": _made_up_name()}).scalar_one())


def _batches(lines: NumberLines) -> Iterator[list[int]]:
    numbers = iter(lines)
    while batch := list(islice(numbers, BATCH)):
        yield batch


def _add(engine: Engine, list_id: int, numbers: list[int]) -> int:
    """Adds numbers to a list, and returns how many it did not have."""
    with engine.begin() as connection:
        connection.exec_driver_sql(sql.LIMIT_TIME)
        # In order, so that the index is filled page by page.
        given = {"list_id": list_id, "phone_numbers": sorted(set(numbers))}
        return connection.exec_driver_sql(sql.ADD_NUMBERS, given).rowcount


def _remove_leftovers(engine: Engine) -> None:
    with engine.begin() as connection:
        leftovers = connection.exec_driver_sql(sql.LEFTOVERS).scalars().all()
    for list_id in leftovers:
        _remove(engine, list_id)


def _remove(engine: Engine, list_id: int) -> None:
    """Deletes a list that nothing uses any more, part by part."""
    given = {"list_id": list_id, "limit": BATCH}
    deleted = BATCH
    while deleted == BATCH:
        with engine.begin() as connection:
            connection.exec_driver_sql(sql.LIMIT_TIME)
            deleted = connection.exec_driver_sql(sql.DELETE_ENTRIES, given).rowcount
    with engine.begin() as connection:
        connection.exec_driver_sql(sql.DELETE, {"list_id": list_id})
