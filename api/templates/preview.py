"""The preview of a template: the text that it makes for one client."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from api.client_fields.queries import fields_of_templates
from api.database import execute
from api.extensions import db
from api.opt_out.example import example_of_next
from shared.domain.sentences import ErrorCode
from shared.domain.templates import MissingValue, RenderError, Template, compile_template
from shared.domain.templates.rendering import is_missing
from shared.domain.text_segments import segments_of
from shared.errors import Conflict
from shared.schema import Client
from shared.sql.templates import READ_VALUES


def preview(text: str, client_id: int | None = None) -> dict[str, Any]:
    """What a text makes for a client: that one, or else the first of the directory.

    Raises Invalid for a text that is no template, and Conflict if there is no such client.
    """
    template = compile_template(text, fields_of_templates())
    if client_id is None:
        client_id = db.session.scalar(select(Client.id).order_by(Client.id).limit(1))
    elif db.session.get(Client, client_id) is None:
        raise Conflict("client_id", ErrorCode.NO_SUCH_CLIENT, client=client_id)
    filled = _fill(template, text, client_id)
    segments = None if filled["text"] is None else segments_of(filled["text"])
    return {
        "client_id": client_id,
        "fields": []
        if template is None
        else [{"name": name, "type": kind} for name, kind in zip(template.fields, template.types, strict=True)],
        **filled,
        "encoding": None if segments is None else segments.encoding,
        "segments": None if segments is None else segments.count,
    }


def _fill(template: Template | None, text: str, client_id: int | None) -> dict[str, Any]:
    """The text for a client, or why there is none."""
    missing: list[str] = []
    reason = None
    if template is not None:
        values = _values(template, client_id)
        missing = [name for name, value in zip(template.fields, values, strict=True) if is_missing(value)]
        try:
            return {"text": template.render(values), "missing": missing, "reason_code": None, "reason": None}
        except MissingValue as error:
            missing, reason = [error.name, *(name for name in missing if name != error.name)], error.reason
        except RenderError as error:
            reason = error.reason
        return {"text": None, "missing": missing, "reason_code": reason.code, "reason": reason.sentence}
    return {"text": text, "missing": missing, "reason_code": None, "reason": None}


def _values(template: Template, client_id: int | None) -> list[str | None]:
    """The values of a client as its message would have them; none without a client. A link to opt out is an example."""
    if client_id is None:
        return [None] * len(template.fields)
    given = {"fields": list(template.fields), "ids": [client_id], "opt_out_link": example_of_next(template.fields)}
    rows = execute(READ_VALUES, given).all()
    return list(rows[0].values) if rows else [None] * len(template.fields)
