"""Adding the numbers of a list that are no clients to the directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Engine

from api.audit.recorder import record_on
from api.erased_numbers.reattachment import reattach
from api.number_lists import sql
from shared.domain.numbering_plans import destination_code, only_timezone
from shared.domain.sentences import ErrorCode, Sentence

BATCH = 10_000
"""Numbers that are looked up, and clients that are added, in one transaction."""

MAX_FAULTS = 1000
"""Numbers that are reported one by one because they could not be added."""


class NewClients(NamedTuple):
    """The clients that are to be added."""

    tag: str
    timezone: str | None
    """Of numbers that do not tell it; None to leave those out."""


class NumberFault(NamedTuple):
    """A number that could not be added, and why."""

    phone_number: int
    reason: Sentence


class Matched(NamedTuple):
    """The numbers of a list beside the directory."""

    clients: int
    """Numbers that are of clients, without those that were added."""
    added: int
    unmatched: int
    """Numbers that are of no client still."""
    faults: list[NumberFault]
    """The first MAX_FAULTS of those that could not be added."""


class NewClient(NamedTuple):
    """What a number's plan tells of a client."""

    phone_number: int
    operator_code: str
    timezone: str


def match(engine: Engine, list_id: int, new: NewClients | None) -> Matched:
    """Counts the numbers of a list that are clients. With `new`, the others are added, each part in its own
    transaction, which has an entry in the audit.
    """
    clients = added = unmatched = 0
    faults: list[NumberFault] = []
    for known, unknown in _batches(engine, list_id):
        clients += known
        made, wrong = _add(engine, list_id, unknown, new) if new and unknown else (0, [])
        added += made
        unmatched += len(unknown) - made
        faults += wrong[: MAX_FAULTS - len(faults)]
    return Matched(clients, added, unmatched, faults)


def _batches(engine: Engine, list_id: int) -> Iterator[tuple[int, list[int]]]:
    """For each part of the list: how many numbers are clients, and those that are none."""
    after = 0
    while True:
        with engine.begin() as connection:
            given = {"list_id": list_id, "after": after, "limit": BATCH}
            rows = connection.exec_driver_sql(sql.NUMBERS_AFTER, given).all()
        if not rows:
            return
        after = rows[-1].phone_number
        unknown = [row.phone_number for row in rows if row.client_id is None]
        yield len(rows) - len(unknown), unknown


def _add(engine: Engine, list_id: int, numbers: list[int], new: NewClients) -> tuple[int, list[NumberFault]]:
    read = [_new_client(number, new.timezone) for number in numbers]
    clients = [client for client in read if isinstance(client, NewClient)]
    if clients:
        phone_numbers, operator_codes, timezones = map(list, zip(*clients, strict=True))
        given = {"phone_numbers": phone_numbers, "operator_codes": operator_codes, "timezones": timezones}
        with engine.begin() as connection:
            connection.exec_driver_sql(sql.LIMIT_TIME)
            added = connection.exec_driver_sql(sql.ADD_CLIENTS, {**given, "tag": new.tag}).rowcount
            if added:
                reattach(connection, lambda: phone_numbers)
                record_on(connection, {"number_list": list_id, "added": added})
    else:
        added = 0
    return added, [fault for fault in read if isinstance(fault, NumberFault)]


def _new_client(number: int, timezone: str | None) -> NewClient | NumberFault:
    code = destination_code(str(number))
    if code is None:
        return NumberFault(number, ErrorCode.OPERATOR_CODE_OF_NUMBER_UNKNOWN())
    zone = only_timezone(str(number)) or timezone
    return NewClient(number, code, zone) if zone else NumberFault(number, ErrorCode.TIMEZONE_OF_NUMBER_UNKNOWN())
