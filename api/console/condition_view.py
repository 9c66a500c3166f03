"""What the page of a condition form shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from flask import render_template, request

from api.client_fields.queries import fields_of_clients
from api.console.blueprint import blp
from api.console.condition_form import ConditionForm, read_conditions, with_errors
from api.console.condition_labels import field_groups, operator_label
from api.console.condition_rows import Row, choice_of, choices_of
from api.number_lists.queries import number_lists_after
from api.permissions import requires
from shared.domain.roles import Role
from shared.domain.segments.tree import Field

LISTED = 1000
"""Number lists that a row offers."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row, with what it offers."""

    number: int
    """Counted through all groups, from 0."""
    group: int
    place: int
    row: Row
    operators: list[tuple[str, str]]
    """Keys and labels."""
    operator: str
    kind: str
    """What its values are typed in; empty until a field is chosen."""
    error: str
    is_new: bool


@blp.post("/segments/conditions/")
@requires(Role.VIEWER)
def condition_part() -> str:
    """The form of conditions after a change of it, as a part of the page that a script replaces."""
    conditions = read_conditions(request.form)
    return render_template("console/conditions.html", **condition_values(conditions))


def condition_values(conditions: ConditionForm, *, checked: bool = False) -> dict[str, Any]:
    """The values of console/conditions.html. `checked` shows what is wrong with each row."""
    shown = with_errors(conditions) if checked else conditions
    fields = fields_of_clients()
    lists = number_lists_after(0, LISTED)
    numbers = count()
    groups = [
        [
            _shown(row, next(numbers), (group, place), shown, fields, has_lists=bool(lists))
            for place, row in enumerate(rows)
        ]
        for group, rows in enumerate(shown.rows.groups)
    ]
    return {"conditions": shown, "condition_groups": groups, "field_groups": field_groups(), "number_lists": lists}


def _shown(
    row: Row,
    number: int,
    at: tuple[int, int],
    conditions: ConditionForm,
    fields: Mapping[str, Field],
    *,
    has_lists: bool,
) -> ShownRow:
    choice, field = choice_of(row, fields), fields.get(row.field)
    operators = [
        (one.key, operator_label(one.key, field))
        for one in choices_of(row.field, fields)
        if has_lists or one.kind != "list" or one == choice
    ]
    return ShownRow(
        number=number,
        group=at[0],
        place=at[1],
        row=row,
        operators=operators,
        operator=choice.key if choice else "",
        kind=choice.kind if choice else "",
        error=conditions.errors.get(at, ""),
        is_new=conditions.focus == at,
    )
