"""The columns of a file of clients: their accepted names, and which field of a client each of them is."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from webargs.flaskparser import abort

from api.clients.import_options import Choice, DeclaredField, ImportOptions
from api.clients.schemas import SPECIFIED
from shared.domain.client_fields import MAX_LABEL, check_name, name_from_title
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode, Sentence
from shared.domain.tag_normalization import normal
from shared.errors import Invalid

COLUMNS: tuple[str, ...] = SPECIFIED
"""The columns that a file must have, as the API names them."""

EXTERNAL_ID, TAGS, ATTRIBUTES = "external_id", "tags", "attributes"
OTHERS = (EXTERNAL_ID, TAGS, ATTRIBUTES)
"""The other columns that every client has. A cell of `attributes` is a JSON object with values by name."""

REJECTED_COLUMNS = ("line", "reason")
"""The columns that a file of rejected rows has before the file's own. They are ignored."""

NAMES = {
    "phone_number": ("phone", "phonenumber", "телефон", "номертелефона"),
    "operator_code": ("operatorcode", "кодоператора"),
    "tag": ("tag", "метка", "тег"),
    "timezone": ("timezone", "часовойпояс"),
    EXTERNAL_ID: ("externalid", "внешнийид", "внешнийid", "внешнийидентификатор"),
    TAGS: ("tags", "метки", "теги"),
    ATTRIBUTES: ("attributes", "атрибуты"),
}
"""The accepted names, in lower case without separators: those of the API, and of the console in each language."""

OTHER_PHONE_NAMES = ("mobile", "mobilephone", "cellphone", "мобильный", "мобильныйтелефон", "сотовый", "номер")
"""Names of the phone number in a file that has none of NAMES for it: some programs export a landline beside it."""

FIELD_NAMES = {
    "name": ("name", "fullname", "имя", "фио"),
    "first_name": ("firstname", "givenname"),
    "last_name": ("lastname", "surname", "familyname", "фамилия"),
    "birthday": ("birthday", "birthdate", "dateofbirth", "деньрождения", "датарождения"),
}
"""The accepted names of fields that are usually declared, apart from their names and labels."""

FIRST_NAME_BESIDE_LAST = "имя"
"""In a file with a last name this is the first name, otherwise the name."""

_COLUMNS = {name: column for column, names in NAMES.items() for name in names}
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class Column(NamedTuple):
    """A column of a file, or one key of the JSON objects in it, and the field of a client that it is."""

    name: str
    """As the file names it; of a key, `column.key`."""
    place: int
    """Its index in a row."""
    key: str | None = None
    target: str | None = None
    """One of COLUMNS or OTHERS, or the name of a field; None if it is ignored."""
    field: Field | None = None
    """The field, if it is declared or will be. The type of one that will be is not final before the values are seen."""
    is_new: bool = False
    has_type: bool = True
    """Whether the type of a new field is given, and not to be guessed."""
    is_chosen: bool = False
    """Whether a person has said what it is."""

    @property
    def label(self) -> str:
        """The label of a new field."""
        return normal((self.key or self.name).replace("\0", ""))[:MAX_LABEL].strip()


Faults = dict[str, list[Sentence]]
"""The errors of columns, by the name of the field or as the file names them."""


def column_called(name: str) -> str | None:
    """The column that a header cell names, in any case and with any separators; None if it names none."""
    return _COLUMNS.get(without_separators(name))


class Recogniser:
    """Finds the fields that columns are, by what a person says, or by the names of the columns."""

    def __init__(self, options: ImportOptions, names: Sequence[str] = ()) -> None:
        """`names` are those of all columns."""
        self._options = options
        self._called = _aliases(options.declared)
        self._choices = {name.strip(): choice for name, choice in options.choices(names).items()}
        self._names = names

    def count_known(self, names: Iterable[str]) -> int:
        """How many fields these header cells name."""
        return len({self._called.get(without_separators(name)) for name in names} - {None})

    def columns(self) -> tuple[list[Column], Faults]:
        """The columns of the file, and the errors among them, of which any makes the file unreadable."""
        found = [self._column(place, name, target) for place, (name, target) in enumerate(self._by_name())]
        chosen = {column.target for column in found if column.is_chosen}
        found = [
            column._replace(target=None, field=None, is_new=False)
            if column.target in chosen and not column.is_chosen
            else column
            for column in found
        ]
        return found, self._missing(found) | self._wrong_choices(found) | named_twice(found)

    def key(self, column: Column, key: str, taken: Iterable[str | None]) -> Column:
        """The column that a key of the JSON objects in a column is; ignored if another column has the same field."""
        name = f"{column.name}.{key}"
        found = self._column(column.place, name, self._called.get(without_separators(key)), key)
        nested = found.target in OTHERS and found.target != EXTERNAL_ID
        return found._replace(target=None, field=None, is_new=False) if nested or found.target in taken else found

    def _by_name(self) -> list[tuple[str, str | None]]:
        """Each column with the field that its name is."""
        plain = [without_separators(name) for name in self._names]
        found = [self._called.get(name) for name in plain]
        if "phone_number" not in found:
            found = [
                "phone_number" if name in OTHER_PHONE_NAMES else one for name, one in zip(plain, found, strict=True)
            ]
        if "last_name" in found and "first_name" in self._options.declared:
            found = [
                "first_name" if name == FIRST_NAME_BESIDE_LAST else one for name, one in zip(plain, found, strict=True)
            ]
        return list(zip(self._names, found, strict=True))

    def _column(self, place: int, name: str, target: str | None, key: str | None = None) -> Column:
        choice = self._choices.get(name.strip())
        column = Column(name, place, key, is_chosen=choice is not None)
        if choice is not None:
            return self._chosen(column, choice)
        if target is None and self._options.create_fields and not self._is_of_rejected(place, name):
            title = name_from_title(key if key is not None else name)
            return self._new(column, title, None) if title else column
        declared = self._options.declared.get(target or "")
        return column._replace(target=target, field=declared and declared.field)

    def _chosen(self, column: Column, choice: Choice) -> Column:
        target = choice.field
        if target is None or target in COLUMNS or target in OTHERS:
            return column._replace(target=target)
        if declared := self._options.declared.get(target):
            return column._replace(target=target, field=declared.field)
        return self._new(column, target, choice.new_type)

    @staticmethod
    def _new(column: Column, name: str, given: FieldType | None) -> Column:
        field = Field(name, given or FieldType.TEXT)
        return column._replace(target=name, field=field, is_new=True, has_type=given is not None)

    def _is_of_rejected(self, place: int, name: str) -> bool:
        return REJECTED_COLUMNS[place : place + 1] == (name,)

    def _missing(self, columns: Sequence[Column]) -> Faults:
        """The columns that are missing, and then those that are not recognised: one may be misspelt."""
        found = {column.target for column in columns}
        if ATTRIBUTES in found:
            return {}
        needed = COLUMNS[:1] if self._options.fill else COLUMNS
        wrong = {name: [ErrorCode.COLUMN_MISSING()] for name in needed if name not in found}
        if wrong:
            unknown = (column for column in columns if column.target is None and column.name.strip())
            wrong |= {column.label: [ErrorCode.COLUMN_UNKNOWN()] for column in unknown}
        return wrong

    def _wrong_choices(self, columns: Sequence[Column]) -> Faults:
        """What is said of columns that the file does not have, and fields that may not be declared."""
        names = {name.strip() for name in self._names}
        objects = tuple(f"{column.name.strip()}." for column in columns if column.target == ATTRIBUTES)
        absent = (name for name in self._choices if name not in names and not name.startswith(objects or ("\0",)))
        wrong = {name[:MAX_LABEL]: [ErrorCode.COLUMN_NOT_IN_FILE()] for name in absent}
        for choice in self._choices.values():
            if choice.field is None or choice.field in (*COLUMNS, *OTHERS, *self._options.declared):
                continue
            if not (self._options.create_fields or choice.new_type):
                wrong[choice.field[:MAX_LABEL]] = [ErrorCode.FIELD_NOT_DECLARED(name=choice.field[:MAX_LABEL])]
                continue
            try:
                check_name(choice.field)
            except Invalid as error:
                wrong[choice.field[:MAX_LABEL]] = [error.sentence]
        return wrong


def check_columns(wrong: Faults) -> None:
    """Responds with 422 if there is an error among the columns."""
    if wrong:
        abort(422, errors={"csv": wrong})


def named_twice(columns: Sequence[Column]) -> Faults:
    """The errors of fields that several columns are."""
    times = Counter(column.target for column in columns if column.target)
    return {target: [ErrorCode.COLUMN_TWICE()] for target, count in times.items() if count > 1}


def _aliases(declared: Mapping[str, DeclaredField]) -> dict[str, str]:
    """The field that each accepted name is."""
    known = {name: field for field, names in FIELD_NAMES.items() if field in declared for name in names}
    for name, one in declared.items():
        known |= {without_separators(title): name for title in (one.label, name) if without_separators(title)}
    return known | _COLUMNS


def without_separators(name: str) -> str:
    """A column's name in lower case, letters and digits alone."""
    return _BETWEEN_WORDS.sub("", unicodedata.normalize("NFC", name)).lower()
