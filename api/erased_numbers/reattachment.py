"""Suppressions and consents of erased numbers get their number again when it comes into the directory again.

Whatever adds a client, or gives one another phone number, calls `reattach` in the same transaction, after its own
statement: an erasure of the number under way holds the number's place in the directory (api/numbers/erasure.py), so
that statement waits for it, and what `reattach` reads is newer. tests/integration/api/test_erased_numbers.py lists
those callers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from api.database import try_again
from api.erased_numbers.hashes import NumberHasher, number_hasher
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict
from shared.sql import erasure
from shared.sql.suppressions import CANCEL_SUPPRESSED

FEW = 100
"""Numbers whose hashes are looked up one by one. For more, the erased numbers' hashes are read, if they are not too
many."""

MAX_READ = 20_000
"""Hashes that are read at once: 10,000 numbers are compared with them in less time than it takes to look them up."""


class _Found(NamedTuple):
    number_hashes: list[bytes]
    phone_numbers: list[int]


def reattach(connection: Connection, read_numbers: Callable[[], Sequence[int]]) -> int:
    """Sets the phone number of suppressions and consents that were recorded before these numbers were erased.

    Of those that would be in force twice, the older ones are lifted. Pending messages that a suppression covers end.
    Returns for how many of the numbers there was something. While no number is erased, it costs one statement, and
    `read_numbers` is not called.

    Raises Conflict without a key, if numbers were erased: it is not known then whether one of these is suppressed.
    """
    if not connection.exec_driver_sql(erasure.ANY_ERASED).scalar_one():
        return 0
    hasher = number_hasher()
    if not hasher.has_key:
        raise Conflict("phone_number", ErrorCode.NO_KEY_FOR_ERASED_NUMBERS)
    found = _find(connection, hasher, read_numbers())
    if not found.number_hashes:
        return 0
    _attach(connection, found)
    connection.exec_driver_sql(CANCEL_SUPPRESSED, {"phone_numbers": found.phone_numbers})
    return len(set(found.phone_numbers))


def reattach_recorded(connection: Connection, phone_numbers: Sequence[int]) -> None:
    """Likewise for numbers about which something is recorded, or lifted, whether or not a client has them: what was
    recorded before an erasure is then one with it. Without a key nothing is done, since a refusal must be recorded.
    """
    if number_hasher().has_key:
        reattach(connection, lambda: phone_numbers)


def _find(connection: Connection, hasher: NumberHasher, phone_numbers: Sequence[int]) -> _Found:
    wanted = hasher.by_hash(phone_numbers)
    if len(phone_numbers) > FEW:
        erased = connection.exec_driver_sql(erasure.ERASED_HASHES, {"limit": MAX_READ + 1}).scalars().all()
    if len(phone_numbers) <= FEW or len(erased) > MAX_READ:
        erased = connection.exec_driver_sql(erasure.HASHES_AMONG, {"hashes": list(wanted)}).scalars().all()
    pairs = [(known, wanted[known]) for known in map(bytes, erased) if known in wanted]
    return _Found([known for known, _ in pairs], [number for _, number in pairs])


def _attach(connection: Connection, found: _Found) -> None:
    def attach() -> None:
        with connection.begin_nested():
            connection.exec_driver_sql(erasure.ATTACH_SUPPRESSIONS, found._asdict())
            connection.exec_driver_sql(erasure.ATTACH_CONSENTS, found._asdict())

    # Another transaction may record the same suppression meanwhile.
    try_again(attach, lambda error: isinstance(error, IntegrityError))
