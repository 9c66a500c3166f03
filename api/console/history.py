"""The history of a mailing and of a draft: their earlier texts, with who wrote them and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from flask import render_template
from sqlalchemy import select

from api.audit.queries import entries_about
from api.console.blueprint import blp
from api.console.paging import paged
from api.extensions import db
from api.http.fields import MAX_ID
from api.mailings import drafts
from api.mailings.queries import mailing_by_id
from shared.schema import MailingEvent, MailingText

CREATED = ("createMailing", "testMailing")
"""Operations that write the first text of a mailing."""


class Revision(NamedTuple):
    """A text of a mailing."""

    number: int
    text: str
    at: datetime
    by: str | None
    """Who wrote it; none if it is not known."""


@blp.get("/mailings/<id:mailing_id>/texts/")
def mailing_texts(mailing_id: int) -> str:
    """What a mailing says and has said, the latest text first."""
    found = paged(lambda before, limit: revisions_of(mailing_id, before, limit), lambda one: int(one.number), MAX_ID)
    return render_template("console/mailing_texts.html", mailing=mailing_by_id(mailing_id), found=found)


@blp.get("/mailings/drafts/<id:draft_id>/versions/")
def draft_versions(draft_id: int) -> str:
    """What stands in a draft and has stood there, the latest version first."""
    draft = drafts.draft_by_id(draft_id)
    return render_template("console/draft_versions.html", draft=draft, versions=drafts.versions_of(draft))


def revisions_of(mailing_id: int, before: int, limit: int) -> Sequence[Revision]:
    """The texts of a mailing with a lesser number, the latest first."""
    of_mailing = MailingText.mailing_id == mailing_id, MailingText.revision < before
    found = select(MailingText).where(*of_mailing).order_by(MailingText.revision.desc()).limit(limit)
    texts = db.session.scalars(found).all()
    new = MailingEvent.changes["text"][1].as_integer()
    authors = select(new, MailingEvent.actor_name).where(
        MailingEvent.mailing_id == mailing_id, new.in_([text.revision for text in texts])
    )
    by = {row[0]: row[1] for row in db.session.execute(authors)}
    if any(text.revision == 1 for text in texts):
        by[1] = _creator(mailing_id)
    return [Revision(text.revision, text.text, text.created_at, by.get(text.revision)) for text in texts]


def last_editor(mailing_id: int) -> str | None:
    """Who has changed a mailing last; none if it is not known."""
    edits = MailingEvent.mailing_id == mailing_id, MailingEvent.action == "edit"
    last = select(MailingEvent.actor_name).where(*edits).order_by(MailingEvent.id.desc()).limit(1)
    return db.session.scalar(last)


def _creator(mailing_id: int) -> str | None:
    created = entries_about("mailing", mailing_id, 1, *CREATED)
    return created[0].actor_name if created else None
