"""The search of suppressions and consents, and the evidence that their forms ask for."""

from __future__ import annotations

from typing import Any, NamedTuple

import marshmallow as ma
from flask import current_app, request

from api.clients.search import has_digits
from api.console.forms import Form
from shared.domain.phone_numbers import numbers_like
from shared.domain.sentences import ErrorCode


class RecordSearch(NamedTuple):
    """What a page of records is asked for."""

    phone: str
    """The number as it was typed."""
    phone_numbers: list[int] | None
    """The numbers that it may mean; None for all."""
    in_force: bool
    """Whether only records in force are wanted."""
    is_wrong: bool
    """Whether what was typed is no number."""


def read_search() -> RecordSearch:
    """The search of the request's query."""
    phone = request.args.get("phone", "").strip()
    numbers = numbers_like(phone, current_app.config["DEFAULT_REGION"]) if phone else None
    return RecordSearch(phone, numbers, "in_force" in request.args, bool(phone) and not has_digits(phone))


def load_evidence(form: Form, schema: ma.Schema) -> dict[str, Any]:
    """The fields of a form whose `evidence` is one text, which is needed. Raises ValidationError."""
    text = str(form.values.get("evidence", "")).strip()
    if not text:
        raise ma.ValidationError({"evidence": [ErrorCode.BLANK()]})
    return Form({**form.values, "evidence": {"note": text}}).load(schema)
