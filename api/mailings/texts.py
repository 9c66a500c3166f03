"""The texts of mailings: plain, or templates that are checked when they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from api.client_fields.queries import fields_of_templates, keep_fields
from api.extensions import db
from api.templates.queries import SavedText, saved_text
from shared.domain.opt_out_links import OPT_OUT_LINK
from shared.domain.sentences import ErrorCode
from shared.domain.templates import Template, TemplateError, compile_template, is_plain
from shared.schema import Mailing, MailingText


def template_of(text: str) -> Template | None:
    """The template that a text is; None for a plain text, for which no field is read.

    Raises TemplateError if it cannot be read, names a field that clients do not have, or a link to opt out while there
    are none.
    """
    if is_plain(text):
        return None
    template = compile_template(text, fields_of_templates())
    if template is not None and OPT_OUT_LINK in template.fields and not current_app.config["OPT_OUT_URL"]:
        raise TemplateError(ErrorCode.NO_OPT_OUT_URL, text, text.lower().find(OPT_OUT_LINK))
    return template


def with_saved_text(fields: Mapping[str, Any]) -> tuple[dict[str, Any], SavedText | None]:
    """The fields of a mailing with the present text of their `template_id` instead of that, and that text.

    Raises Conflict if there is no such template.
    """
    rest = {name: value for name, value in fields.items() if name != "template_id"}
    if fields.get("template_id") is None:
        return rest, None
    saved = saved_text(fields["template_id"])
    return rest | {"text": saved.text}, saved


def write_text(mailing: Mailing, text: str, saved: SavedText | None = None) -> None:
    """Adds the text of the mailing's revision. `saved` is what it was copied from. Raises Invalid."""
    template = template_of(text)
    written = MailingText(mailing_id=mailing.id, revision=mailing.text_revision, text=text)
    if template is not None:
        keep_fields(template.fields, "text")
        written.fields, written.field_types = list(template.fields), list(template.types)
        mailing.personalised = True
    if saved is not None:
        written.template_id, written.template_revision = saved.template_id, saved.revision
    db.session.add(written)
    db.session.flush()


def copy_text(mailing: Mailing, original: MailingText) -> None:
    """Adds the text of the mailing's revision as it is in another mailing: a plain one with braces stays plain."""
    copied = MailingText(mailing_id=mailing.id, revision=mailing.text_revision, text=original.text)
    for name in ("fields", "field_types", "template_id", "template_revision"):
        setattr(copied, name, getattr(original, name))
    mailing.personalised = original.fields is not None
    db.session.add(copied)
    db.session.flush()


def present_text(mailing: Mailing) -> MailingText:
    """The text of the mailing's present revision."""
    return db.session.get_one(MailingText, (mailing.id, mailing.text_revision))
