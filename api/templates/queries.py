"""Reads of saved templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select

from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, NotFound
from shared.schema import Template, TemplateText

_PRESENT = select(Template, TemplateText).join(
    TemplateText, and_(TemplateText.template_id == Template.id, TemplateText.revision == Template.revision)
)


class SavedText(NamedTuple):
    """A text with the template and the revision that it is copied from."""

    text: str
    template_id: int
    revision: int


def templates_after(after: int, limit: int) -> Sequence[dict[str, Any]]:
    """The templates with a greater id, in order, each with its present text."""
    return _as_dicts(_PRESENT.where(Template.id > after).order_by(Template.id).limit(limit))


def template_by_id(template_id: int) -> dict[str, Any]:
    """The columns of a template, with its present `text` and `written_by_name`. Raises NotFound."""
    found = _as_dicts(_PRESENT.where(Template.id == template_id))
    if not found:
        raise NotFound(ErrorCode.NO_SUCH_TEMPLATE, template=template_id)
    return found[0]


def versions_after(template_id: int, after: int, limit: int) -> Sequence[dict[str, Any]]:
    """The texts of a template with a greater revision, in order: `id` is the revision. Raises NotFound."""
    template_by_id(template_id)
    of_template = TemplateText.template_id == template_id, TemplateText.revision > after
    found = db.session.scalars(select(TemplateText).where(*of_template).order_by(TemplateText.revision).limit(limit))
    return [row_to_dict(version, id=version.revision) for version in found]


def saved_text(template_id: int) -> SavedText:
    """The present text of a template, which is not removed before the end of the transaction. Raises Conflict."""
    template = db.session.get(Template, template_id, with_for_update={"read": True}, populate_existing=True)
    if template is None:
        raise Conflict("template_id", ErrorCode.NO_SUCH_TEMPLATE, template=template_id)
    text = db.session.get_one(TemplateText, (template_id, template.revision))
    return SavedText(text.text, template_id, template.revision)


def _as_dicts(page: Select[Template, TemplateText]) -> list[dict[str, Any]]:
    return [
        row_to_dict(row.Template, text=row.TemplateText.text, written_by_name=row.TemplateText.written_by_name)
        for row in db.session.execute(page.execution_options(populate_existing=True))
    ]
