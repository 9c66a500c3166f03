"""Erasing what is known about a phone number, so that only keyed hashes of it remain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from api.audit.recorder import add_detail, name_object, record_on
from api.clients.import_staging import drop_leftovers
from api.clients.services import remove_client
from api.database import execute
from api.erased_numbers.hashes import number_hasher
from api.erased_numbers.reattachment import reattach
from api.extensions import db
from api.principal import name_of_caller
from shared.domain.erasure import ERASED_TEXT, number_pattern
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MessageStatus
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from shared.errors import Conflict, Invalid
from shared.json_parameter import json_parameter
from shared.logs import mask_phone
from shared.schema import Client
from shared.sql import erasure
from shared.sql.suppressions import ADD_SUPPRESSIONS

BATCH = 10_000
"""Messages that have ended whose number is erased in one transaction: a second at most. No number has more, but one
that somebody tests with."""


class Erased(NamedTuple):
    """What was erased, in numbers of rows."""

    client_id: int | None
    """The client that was removed."""
    messages: int
    messages_cancelled: int
    """Those that were pending, and have ended."""
    messages_in_flight: int
    """Those that a worker was sending: what becomes of them is still recorded, without the number."""
    inbound_messages: int
    number_lists: int
    """Lists that contained the number."""
    consents: int
    """Kept with a hash of the number, as are suppressions."""
    suppressions: int
    suppression_recorded: bool
    """Whether one was recorded because none of scope `everything` was in force."""


def erase(
    phone_number: int, *, confirm: int, reason: str, evidence: Mapping[str, str], suppress: bool = True
) -> Erased:
    """Erases a number, in the session's transaction. It can be repeated, and then erases what has come since.

    Of more than BATCH messages, those that have ended are erased before, in transactions of their own.

    Raises Invalid if `confirm` is another number, and Conflict without a key for the hashes.
    """
    if confirm != phone_number:
        raise Invalid("confirm", ErrorCode.NOT_THE_NUMBER_TO_ERASE)
    hasher = number_hasher()
    if not hasher.has_key:
        raise Conflict("phone_number", ErrorCode.NO_KEY_TO_ERASE)
    number_hash = hasher.first(phone_number)
    given = {"phone_number": phone_number, "pattern": number_pattern(phone_number), "number_hash": number_hash}
    drop_leftovers(db.engine)
    before = _erase_ended_messages(given)
    client, is_known = _hold_number(phone_number)
    reattach(db.session.connection(), lambda: [phone_number])
    recorded = suppress and _record_suppression(phone_number, reason)
    messages = _erase_messages(db.session.connection(), erasure.LOCK_MESSAGES, {**given, "limit": None})
    remove_client(client)
    inbound = execute(erasure.ERASE_INBOUND_MESSAGES, given).scalars().all()
    execute(erasure.ERASE_INBOUND_PARTS, {"inbound_messages": list(inbound)})
    execute(erasure.DELETE_INBOUND_PARTS, given)
    execute(erasure.ERASE_ORPHANS, given)
    execute(erasure.DELETE_USAGE, given)
    erased = Erased(
        client_id=client.id if is_known else None,
        messages=before + messages.total(),
        messages_cancelled=messages[MessageStatus.PENDING],
        messages_in_flight=messages[MessageStatus.SENDING],
        inbound_messages=len(inbound),
        number_lists=execute(erasure.DELETE_LIST_ENTRIES, given).rowcount,
        consents=execute(erasure.HASH_CONSENTS, given).rowcount,
        suppressions=execute(erasure.HASH_SUPPRESSIONS, given).rowcount,
        suppression_recorded=recorded,
    )
    _audit(phone_number, number_hash, erased, without_number(phone_number, {"reason": reason, "evidence": evidence}))
    return erased


def _hold_number(phone_number: int) -> tuple[Client, bool]:
    """Locks the client with that number, and returns it, and True. If there is none, adds one, and returns False: until
    the end of the transaction, nobody else adds one.
    """
    found = added = None
    while found is None:
        added = execute(erasure.HOLD_NUMBER, {"phone_number": phone_number}).scalar()
        of_number = select(Client).where(Client.phone_number == phone_number)
        found = db.session.scalar(of_number.with_for_update().execution_options(populate_existing=True))
    return found, found.id != added


def _erase_ended_messages(given: Mapping[str, Any]) -> int:
    total = 0
    while True:
        with db.engine.begin() as connection:
            parameters = {**given, "limit": BATCH + 1}
            if connection.exec_driver_sql(erasure.COUNT_MESSAGES, parameters).scalar_one() <= BATCH:
                return total
            erased = _erase_messages(connection, erasure.LOCK_ENDED_MESSAGES, {**given, "limit": BATCH}).total()
            record_on(connection, {"phone_number": mask_phone(given["phone_number"]), "messages": erased})
        total += erased


def _erase_messages(connection: Connection, lock: str, given: Mapping[str, Any]) -> Counter[str]:
    """Erases the messages that `lock` finds. Returns how many had which status."""
    locked = connection.exec_driver_sql(lock, given).all()
    if locked:
        parameters = {**given, "ids": [row.id for row in locked]}
        for statement in (erasure.ERASE_MESSAGES, erasure.SCRUB_ATTEMPTS, erasure.SCRUB_RECEIPTS):
            connection.exec_driver_sql(statement, parameters)
    return Counter(row.status for row in locked)


def _record_suppression(phone_number: int, reason: str) -> bool:
    suppression = {
        "phone_number": phone_number,
        "scope": SuppressionScope.EVERYTHING,
        "reason": SuppressionReason.LAW,
        "source": RecordSource.API,
        "evidence": {"erasure": reason},
        "recorded_by": name_of_caller(),
    }
    return execute(ADD_SUPPRESSIONS, {"suppressions": json_parameter([suppression])}).first() is not None


def without_number(phone_number: int, value: Any) -> Any:
    """A JSON value with ERASED_TEXT for each occurrence of the number in its texts."""
    if isinstance(value, str):
        return re.sub(number_pattern(phone_number), ERASED_TEXT, value)
    if isinstance(value, Mapping):
        return {without_number(phone_number, name): without_number(phone_number, one) for name, one in value.items()}
    return value


def _audit(phone_number: int, number_hash: bytes, erased: Erased, said: Mapping[str, Any]) -> None:
    if erased.client_id is not None:
        name_object("client", erased.client_id)
    counts = {name: count for name, count in erased._asdict().items() if name != "client_id"}
    # By the hash, what is known about the number can still tell that it was erased.
    add_detail(phone_number=mask_phone(phone_number), number_hash=number_hash.hex(), **said, **counts)
