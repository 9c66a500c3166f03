"""The texts of messages: the bodies that they were or will be sent with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select

from api.extensions import db
from shared.domain.erasure import ERASED_NUMBER
from shared.domain.templates import RenderError, StoredText
from shared.schema import Mailing, MailingText, Message


class ShownText(NamedTuple):
    """The text of a message, as far as it has one."""

    text: str
    """The body; for a message whose template has made none, the template."""
    is_body: bool

    @property
    def body(self) -> str | None:
        """The body; None if there is none."""
        return self.text if self.is_body else None


def texts_of(messages: Sequence[Message]) -> dict[int, ShownText]:
    """The texts of messages by their ids. One that was not attempted has the present text of its mailing.

    A body is made of the revision and the values that were fixed at the first claim, so it is the one that was sent. Of
    one whose number was erased, the values are gone too: only a plain text is still known.
    """
    ids = {message.mailing_id for message in messages}
    revisions = (
        select(MailingText, Mailing.text_revision.label("present"))
        .join(Mailing, Mailing.id == MailingText.mailing_id)
        .where(MailingText.mailing_id.in_(ids))
    )
    wanted = {(message.mailing_id, message.text_revision) for message in messages}
    texts: dict[tuple[int, int | None], StoredText] = {}
    for text, present in db.session.execute(revisions):
        numbers = (text.revision, None) if text.revision == present else (text.revision,)
        keys = wanted.intersection((text.mailing_id, number) for number in numbers)
        if keys:  # to compile a template takes a millisecond
            texts |= dict.fromkeys(keys, StoredText(text.text, text.fields, text.field_types))
    none = StoredText("")
    return {
        message.id: _shown(texts.get((message.mailing_id, message.text_revision), none), _values_of(message))
        for message in messages
    }


def _values_of(message: Message) -> list[str | None] | None:
    return None if message.phone_number == ERASED_NUMBER else message.text_values


def _shown(text: StoredText, values: list[str | None] | None) -> ShownText:
    try:
        return ShownText(text.body(values), is_body=True)
    except RenderError:
        return ShownText(text.text, is_body=False)
