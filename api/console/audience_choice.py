"""The audience in the form of a mailing: a mark, a saved segment, or conditions; and the segments that are left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from api.console.condition_form import FORM, ConditionForm, conditions_of, read_conditions, text_of
from api.http.fields import whole_number
from api.segments.queries import SegmentRow, segments_after

MARK, SAVED, CONDITIONS = "mark", "saved", "conditions"

AUDIENCE_FIELDS = ("mark", "segment", "segment_id", "excluded_segment_ids")
"""The fields of a mailing that this form sets."""

LISTED = 1000
"""Saved segments that can be chosen."""


@dataclass(frozen=True, slots=True)
class AudienceChoice:
    """What is chosen and typed."""

    kind: str = MARK
    mark: str = ""
    segment_id: str = ""
    conditions: ConditionForm = field(default_factory=ConditionForm)
    excluded: frozenset[str] = frozenset()
    """The ids of segments, as texts."""

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a mailing, as a draft stores them."""
        match self.kind:
            case "saved":
                chosen = {"segment_id": self.segment_id}
            case "conditions":
                chosen = {"segment": text_of(self.conditions)}
            case _:
                chosen = {"mark": self.mark}
        return {**chosen, "excluded_segment_ids": ", ".join(sorted(self.excluded, key=_in_order))}


def audience_of(values: Mapping[str, Any]) -> AudienceChoice:
    """The choice for the fields of a draft."""
    text, segment_id = values.get("segment") or "", str(values.get("segment_id") or "")
    return AudienceChoice(
        kind=CONDITIONS if text else SAVED if segment_id else MARK,
        mark=values.get("mark") or "",
        segment_id=segment_id,
        conditions=conditions_of(text),
        excluded=frozenset(re.findall("[0-9]+", values.get("excluded_segment_ids") or "")),
    )


def sent_fields(form: MultiDict[str, str], choice: AudienceChoice | None) -> dict[str, str]:
    """The fields of a mailing in a request: those of the choice, or those that a program has sent without one."""
    if choice is None or "audience" not in form:
        return {name: form[name] for name in AUDIENCE_FIELDS if name in form}
    return choice.fields


def read_audience(form: MultiDict[str, str]) -> AudienceChoice | None:
    """The choice in a request; None if its form has none, as that of a launched mailing."""
    if not {"audience", *AUDIENCE_FIELDS} & form.keys():
        return None
    if "audience" not in form:  # the fields of the API, which a program may send
        return audience_of(form)
    kind = form["audience"] if form["audience"] in (SAVED, CONDITIONS) else MARK
    excluded = frozenset(one for one in form.getlist("excluded") if whole_number(one))
    return AudienceChoice(kind, form.get("mark", ""), form.get("segment_id", ""), read_conditions(form), excluded)


def choosable_segments() -> Sequence[SegmentRow]:
    """The saved segments that can be chosen."""
    return segments_after(0, LISTED)


def has_row_errors(choice: AudienceChoice) -> bool:
    """Whether what is wrong with conditions is said beside their rows."""
    return choice.kind == CONDITIONS and choice.conditions.shown_as == FORM


def _in_order(text: str) -> int:
    return int(text)
