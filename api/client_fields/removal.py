"""Removal of a declared field of clients, and of its values.

Values are removed in transactions of a thousand clients, so no lock is held for long. Before the first one the field is
marked. From then on nobody can write a value of it or use it: writers lock the fields that they use (lock_fields), and
see the mark. A removal that was interrupted is finished by the next one.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import delete, func, select, update

from api.audit.recorder import nothing_changed, record_changes
from api.database import execute
from api.extensions import db
from shared.domain.client_fields import plain_name
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict
from shared.schema import ClientField, Mailing, MailingText, Segment, Template, TemplateText

LOOKED_AT = 100_000
"""Clients that one statement of a search reads."""
CHANGED = 1_000
"""Clients of which one transaction removes values."""

_WORD = re.compile(r"[\w\u0300-\u036f]+")
"""A word, also one whose accents are separate characters."""

_PATH = "$.**.field ? (@ == $name)"
"""Where the syntax tree of a segment names a field (shared/domain/segments/tree.py)."""

# The next clients by id, and whether one of them has a value.
_FIND_VALUES = """
WITH looked_at AS MATERIALIZED (
    SELECT id, attributes ? %(name)s AS has_value FROM client WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
)
SELECT max(id) AS last, coalesce(bool_or(has_value), false) AS found FROM looked_at
"""

# The next clients by id lose their values. They are locked in the order of their numbers, as by imports.
_REMOVE_VALUES = """
WITH looked_at AS MATERIALIZED (
    SELECT id FROM client WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
), locked AS MATERIALIZED (
    SELECT client.id FROM client JOIN looked_at USING (id) WHERE attributes ? %(name)s
    ORDER BY phone_number FOR NO KEY UPDATE OF client
), changed AS (
    UPDATE client SET attributes = attributes - %(name)s, updated_at = now() FROM locked WHERE client.id = locked.id
)
SELECT max(id) AS last FROM looked_at
"""


def remove_client_field(field: ClientField, *, with_values: bool) -> None:
    """Removes a locked field and commits; with its values, in several transactions.

    Raises Conflict, and changes nothing, while a saved segment or template or a mailing that has not ended uses it, or
    while clients have values that are not to be removed.
    """
    _check_unused(field.name)
    if field.removal_started_at:
        nothing_changed()  # the first one is in the audit
    else:
        record_changes({"name": field.name}, {"name": None})
    if with_values or field.removal_started_at:
        mark = (
            update(ClientField)
            .where(ClientField.id == field.id)
            .values(removal_started_at=func.coalesce(ClientField.removal_started_at, func.now()))
        )
        db.session.execute(mark)
        db.session.commit()
        _remove_values(field.name)
    # The lock keeps values from being added meanwhile.
    elif _has_values(field.name):
        raise Conflict("values", ErrorCode.FIELD_HAS_VALUES)
    db.session.execute(delete(ClientField).where(ClientField.id == field.id))
    db.session.commit()


def _has_values(name: str) -> bool:
    last: int | None = 0
    while last is not None:
        row = execute(_FIND_VALUES, {"name": name, "after": last, "limit": LOOKED_AT}).one()
        if row.found:
            return True
        last = row.last
    return False


def _remove_values(name: str) -> None:
    last: int | None = 0
    while last is not None:
        last = execute(_REMOVE_VALUES, {"name": name, "after": last, "limit": CHANGED}).one().last
        db.session.commit()


def _check_unused(name: str) -> None:
    saved = select(Segment.name).where(Segment.removed_at.is_(None), _names(Segment.tree, name))
    segment = db.session.scalar(saved.order_by(Segment.id).limit(1))
    if segment is not None:
        raise Conflict("name", ErrorCode.FIELD_IN_SEGMENT, name=segment)
    present = (TemplateText.template_id == Template.id) & (TemplateText.revision == Template.revision)
    written = select(Template.name, TemplateText.text).join(TemplateText, present)
    for row in db.session.execute(written.order_by(Template.id)):
        if uses_field(row.text, name):
            raise Conflict("name", ErrorCode.FIELD_IN_TEMPLATE, name=row.name)
    in_text = select(MailingText.mailing_id).where(MailingText.fields.contains([name]))
    uses = Mailing.id.in_(in_text) | _names(Mailing.segment_tree, name)
    using = select(Mailing.id).where(Mailing.ended_at.is_(None), uses).order_by(Mailing.id)
    mailing_id = db.session.scalar(using.limit(1))
    if mailing_id is not None:
        raise Conflict("name", ErrorCode.FIELD_IN_MAILING, mailing=mailing_id)


def uses_field(text: str, name: str) -> bool:
    """Whether a tag or an output of a template has this name in it: one in a quoted text counts, too."""
    parts = re.findall(r"\{\{.*?\}\}|\{%.*?%\}", text, re.DOTALL)
    return any(name == plain_name(word) for part in parts for word in _WORD.findall(part))


def _names(tree: Any, name: str) -> Any:
    return func.jsonb_path_exists(tree, _PATH, func.jsonb_build_object("name", name))
