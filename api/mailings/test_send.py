"""A test send: a mailing's text to one client of the directory, now, as a small mailing of its own.

Its message is an ordinary one: workers send it, and the ledger keeps it. It is launched when it is added, with an
audience of one, so that it needs no tag.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import select

from api.clock import now
from api.database import execute
from api.extensions import db
from api.http.fields import WrittenPhoneNumber
from api.http.schemas import RequestSchema
from api.mailing_history import add_history_entry
from api.mailings.services import add_mailing, lock_mailing
from api.mailings.texts import present_text
from shared.domain.mailing_rules import MailingFields
from shared.domain.sentences import ErrorCode, EventDetail
from shared.errors import Conflict
from shared.schema import Client, Mailing, MailingText
from shared.sql import mailings

WINDOW = timedelta(minutes=15)
"""The window of a test: a later one would only confuse."""


class TestSendBody(RequestSchema):
    """The client that the test is sent to."""

    phone_number = WrittenPhoneNumber(
        doubtful=True, required=True, metadata={"description": "The phone number of a client.", "example": 79161234567}
    )


class TestMessage(NamedTuple):
    """A test, and its message."""

    mailing_id: int
    message_id: int


def send_test_message(mailing_id: int, phone_number: int) -> int:
    """Adds the test, launched, and returns its id. Raises NotFound, and Conflict for a number that no client has."""
    mailing, fields = lock_mailing(mailing_id)
    test = add_test(f"test of mailing {mailing_id}", phone_number, fields, copied=present_text(mailing))
    add_history_entry(mailing_id, "test", EventDetail.TESTED(mailing=test.mailing_id))
    return test.mailing_id


def add_test(
    mark: str,
    phone_number: int,
    fields: MailingFields,
    gateway_id: int | None = None,
    copied: MailingText | None = None,
) -> TestMessage:
    """Adds a launched mailing with one message, which takes the route of the fields, or that gateway alone.

    `copied` is the text of another mailing that it is. Raises Invalid, and Conflict for a number that no client has.
    """
    # Locked as by a launch, so that a removal waits, and then finds the message.
    found = select(Client).where(Client.phone_number == phone_number).with_for_update(read=True, key_share=True)
    client = db.session.scalar(found)
    if client is None:
        raise Conflict("phone_number", ErrorCode.PHONE_NUMBER_OF_NO_CLIENT)
    start = now()
    everybody = replace(
        fields, mark=mark, segment=None, segment_id=None, excluded_segment_ids=(), exclude_unknown_after=None
    )
    # A person sends it to one number, now. Suppressions and caps hold.
    everybody = replace(everybody, local_from=None, local_until=None, local_weekdays=None)
    everybody = replace(everybody, holiday_calendar_id=None, requires_consent=False)
    test_id = add_mailing(
        replace(everybody, start_datetime=start, end_datetime=start + WINDOW), copied=copied, is_test=True
    )
    mailing = db.session.get_one(Mailing, test_id)
    if gateway_id is not None:
        mailing.gateway_id = gateway_id
    added = execute(mailings.LAUNCH_TEST, {"mailing_id": test_id, "client_id": client.id}, changes=[mailing])
    return TestMessage(test_id, int(added.scalar_one()))
