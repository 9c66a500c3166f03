"""The conditions of a segment in a form: as rows, or as a text. Both make one syntax tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flask_babel import gettext

from api.client_fields.queries import fields_of_clients
from api.console.condition_rows import ALL, ANY, Row, RowError, Rows, draft_of, node_of, rows_of
from api.console.labels import translated
from api.segments.checks import Checked, check_text, check_tree
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.parser import parse, to_text
from shared.domain.segments.tree import Field
from shared.domain.segments.tree_json import to_json
from shared.domain.segments.typing import MAX_CONDITIONS
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

FORM, TEXT = "form", "text"

_FIELD = re.compile(r"row-([0-9]{1,4})-field")
_CHANGE = re.compile(r"(add|remove)-([0-9]{1,4})(?:-([0-9]{1,4}))?")


@dataclass(frozen=True, slots=True)
class ConditionForm:
    """Conditions as they are typed."""

    shown_as: str = FORM
    """FORM or TEXT."""
    rows: Rows = field(default_factory=Rows)
    text: str = ""
    errors: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """What is wrong with rows, by group and row, in the viewer's language."""
    notice: str = ""
    """Why it is not shown as rows, in the viewer's language."""
    focus: tuple[int, int] | None = None
    """The row that was added: its group, and its place in it."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been typed."""
        if self.shown_as == TEXT:
            return not self.text.strip()
        return all(row.is_empty for group in self.rows.groups for row in group)


def conditions_of(text: str, fields: Mapping[str, Field] | None = None) -> ConditionForm:
    """The form for a text: with rows, if they can show it."""
    if not text.strip():
        return ConditionForm()
    known = fields_of_clients() if fields is None else fields
    try:
        rows = rows_of(parse(text, known), known)
    except SegmentError:
        rows = None
    return ConditionForm(TEXT, text=text) if rows is None else ConditionForm(FORM, rows)


def read_conditions(values: Mapping[str, str]) -> ConditionForm:
    """The conditions in the fields of a request, with the change that a button asks for."""
    # A form sends line ends as CR LF (URL standard, 5.2); columns are counted without the CR.
    text = values.get("conditions", "").replace("\r\n", "\n")
    if values.get("conditions_as") == TEXT:
        found = ConditionForm(TEXT, text=text)
    else:
        found = ConditionForm(FORM, _read_rows(values))
    return _changed(found, values.get("change", ""))


def text_of(conditions: ConditionForm) -> str:
    """The text, also of conditions that are wrong; empty if nothing was typed."""
    if conditions.shown_as == TEXT:
        return conditions.text
    node = draft_of(conditions.rows, fields_of_clients())
    return "" if node is None else to_text(node)


def check_conditions(conditions: ConditionForm, name: str = "conditions") -> Checked:
    """The segment. Raises Invalid, also SegmentError, with the name of a field."""
    if conditions.shown_as == TEXT:
        return check_text(conditions.text, name)
    try:
        node = node_of(conditions.rows, fields_of_clients())
    except RowError as error:
        (fault, *_) = error.faults.values()
        raise Invalid(name, ErrorCode(fault.code), **fault.parameters) from None
    if node is None:
        raise Invalid(name, ErrorCode.SEGMENT_EMPTY)
    try:
        return check_tree(to_json(node), name)
    except SegmentError as error:
        # Without the node of the tree, which the form does not show.
        raise Invalid(name, ErrorCode(error.fault.code), **error.fault.parameters) from None


def with_errors(conditions: ConditionForm) -> ConditionForm:
    """The same with what is wrong with each row."""
    if conditions.shown_as == TEXT:
        return conditions
    try:
        node_of(conditions.rows, fields_of_clients())
    except RowError as error:
        return replace(conditions, errors={place: translated(fault) for place, fault in error.faults.items()})
    return conditions


def _read_rows(values: Mapping[str, str]) -> Rows:
    groups: dict[str, list[Row]] = {}
    numbers = sorted(int(found[1]) for found in map(_FIELD.fullmatch, values) if found)
    for number in numbers[: MAX_CONDITIONS + 1]:
        given = {name: values.get(f"row-{number}-{name}", "") for name in ("field", "operator", "value", "days")}
        groups.setdefault(values.get(f"row-{number}-group", ""), []).append(Row(**given))
    return Rows(ANY if values.get("joined") == ANY else ALL, [*groups.values()] or [[Row()]])


def _changed(conditions: ConditionForm, change: str) -> ConditionForm:
    if change == "to-text":
        return ConditionForm(TEXT, text=text_of(conditions))
    if change == "to-form" and conditions.shown_as == TEXT:
        return _as_form(conditions)
    if change == "add":
        groups = [*conditions.rows.groups, [Row()]]
        return replace(conditions, rows=Rows(conditions.rows.joined, groups), focus=(len(groups) - 1, 0))
    found = _CHANGE.fullmatch(change)
    if found is None or int(found[2]) >= len(conditions.rows.groups):
        return conditions
    group = int(found[2])
    rows = [*conditions.rows.groups[group]]
    if found[1] == "add":
        rows.append(Row())
        focus = group, len(rows) - 1
        return replace(conditions, rows=_with_group(conditions.rows, group, rows), focus=focus)
    del rows[int(found[3] or 0) : int(found[3] or 0) + 1]
    return replace(conditions, rows=_with_group(conditions.rows, group, rows))


def _with_group(rows: Rows, place: int, group: Sequence[Row]) -> Rows:
    groups = [group if number == place else one for number, one in enumerate(rows.groups)]
    return Rows(rows.joined, [one for one in groups if one] or [[Row()]])


def _as_form(conditions: ConditionForm) -> ConditionForm:
    if conditions.is_empty:
        return ConditionForm()
    fields = fields_of_clients()
    try:
        rows = rows_of(parse(conditions.text, fields), fields)
    except SegmentError as error:
        return replace(conditions, notice=translated(error.sentence))
    if rows is None:
        return replace(conditions, notice=gettext("These conditions can't be shown as a form: edit them as text."))
    return ConditionForm(FORM, rows)
