"""Writes of saved templates: adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.client_fields.queries import fields_of_templates, keep_fields
from api.clock import CLOCK
from api.extensions import db
from api.principal import name_of_caller
from shared.domain.sentences import ErrorCode
from shared.domain.templates import compile_template
from shared.errors import NotFound
from shared.schema import Template, TemplateText

FIELDS = ("name", "text")


def lock_template(template_id: int) -> Template:
    """The template, locked against all other writers until the end of the transaction. Raises NotFound."""
    template = db.session.get(Template, template_id, with_for_update=True, populate_existing=True)
    if template is None:
        raise NotFound(ErrorCode.NO_SUCH_TEMPLATE, template=template_id)
    return template


def add_template(name: str, text: str) -> int:
    """Adds a template and returns its id. Raises Invalid for its text, and IntegrityError for a name in use."""
    _check_text(text)
    template = Template(name=name, revision=1)
    db.session.add(template)
    db.session.flush()
    _write_text(template, text)
    name_object("template", template.id, name=name)
    return template.id


def change_template(template: Template, before: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Changes a locked template; what is left out stays. A new text is a new revision. Mailings keep their texts.

    Raises Invalid for a text, and IntegrityError for a name in use.
    """
    old = {name: before[name] for name in FIELDS}
    new = {**old, **fields}
    if new == old:
        nothing_changed()
        return
    record_changes(old, new)
    template.name = new["name"]
    if new["text"] != old["text"]:
        _check_text(new["text"])
        template.revision += 1
        _write_text(template, new["text"])
    template.updated_at = CLOCK
    db.session.flush()


def remove_template(template: Template) -> None:
    """Deletes a locked template with its history. Mailings that were made from it keep their texts."""
    db.session.delete(template)
    db.session.flush()


def _check_text(text: str) -> None:
    """Raises Invalid. The fields that the text uses are not removed before the end of the transaction."""
    compiled = compile_template(text, fields_of_templates())
    keep_fields(compiled.fields if compiled else (), "text")


def _write_text(template: Template, text: str) -> None:
    written = TemplateText(template_id=template.id, revision=template.revision, text=text)
    written.written_by_name = name_of_caller()
    db.session.add(written)
    db.session.flush()
