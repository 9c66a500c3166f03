"""The texts of a mailing by revision, with their authors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from api.audit.queries import entries_about
from api.extensions import db
from shared.schema import MailingEvent, MailingText

CREATING_OPERATIONS = ("createMailing", "sendDraft", "testMailing")
"""Operations that write the first text of a mailing."""


class Revision(NamedTuple):
    """A text of a mailing."""

    number: int
    text: str
    at: datetime
    author: str | None
    """The author's name; None if unknown."""


def revisions_before(mailing_id: int, before: int, limit: int) -> Sequence[Revision]:
    """The texts of a mailing with a smaller number, latest first."""
    of_mailing = MailingText.mailing_id == mailing_id, MailingText.revision < before
    found = select(MailingText).where(*of_mailing).order_by(MailingText.revision.desc()).limit(limit)
    texts = db.session.scalars(found).all()
    new = MailingEvent.changes["text"][1].as_integer()
    edits = select(new.label("revision"), MailingEvent.actor_name).where(
        MailingEvent.mailing_id == mailing_id, new.in_([text.revision for text in texts])
    )
    authors = {row.revision: row.actor_name for row in db.session.execute(edits)}
    if any(text.revision == 1 for text in texts):
        authors[1] = _creator(mailing_id)
    return [Revision(text.revision, text.text, text.created_at, authors.get(text.revision)) for text in texts]


def last_editor(mailing_id: int) -> str | None:
    """The name of the last editor of a mailing; None if unknown."""
    edits = MailingEvent.mailing_id == mailing_id, MailingEvent.action == "edit"
    last = select(MailingEvent.actor_name).where(*edits).order_by(MailingEvent.id.desc()).limit(1)
    return db.session.scalar(last)


def _creator(mailing_id: int) -> str | None:
    created = entries_about("mailing", mailing_id, 1, *CREATING_OPERATIONS)
    return created[0].actor_name if created else None
