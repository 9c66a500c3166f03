"""The columns of a file of clients, and their accepted names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from webargs.flaskparser import abort

from api.clients.schemas import ClientBody
from shared.domain.client_rules import MAX_LABEL
from shared.domain.sentences import ErrorCode

COLUMNS: tuple[str, ...] = tuple(ClientBody.Meta.fields)
"""The columns that a file must have, as the API names them."""

NAMES = {
    "phone_number": ("phone", "phonenumber", "телефон", "номертелефона"),
    "operator_code": ("operatorcode", "кодоператора"),
    "tag": ("tag", "метка", "тег"),
    "timezone": ("timezone", "часовойпояс"),
}
"""The accepted names, in lower case without separators: those of the API, and of the console in each language."""

_COLUMNS = {name: column for column, names in NAMES.items() for name in names}
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def column_called(name: str) -> str | None:
    """The column that a header cell names, in any case and with any separators; None if it names none."""
    return _COLUMNS.get(_BETWEEN_WORDS.sub("", name).lower())


def count_known(names: Iterable[str]) -> int:
    """How many of these header cells name a column."""
    return len({column_called(name) for name in names} - {None})


def column_indexes(names: Sequence[str]) -> tuple[int, ...]:
    """The index of each of COLUMNS in a row. Responds with 422 for a header that does not name each of them once.

    Other columns are ignored; if one of COLUMNS is missing, the response names them, since one may be misspelt.
    """
    found: dict[str, int] = {}
    times: Counter[str] = Counter()
    for index, name in enumerate(names):
        if column := column_called(name):
            found.setdefault(column, index)
            times[column] += 1
    wrong = {column: [ErrorCode.COLUMN_MISSING()] for column in COLUMNS if column not in found}
    if wrong:
        unknown = (name.strip()[:MAX_LABEL] for name in names if name.strip() and not column_called(name))
        wrong |= {name: [ErrorCode.COLUMN_UNKNOWN()] for name in unknown}
    wrong |= {column: [ErrorCode.COLUMN_TWICE()] for column, count in times.items() if count > 1}
    if wrong:
        abort(422, errors={"csv": wrong})
    return tuple(found[column] for column in COLUMNS)
