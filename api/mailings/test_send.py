"""A test send: a mailing's text to one client of the directory, now, as a small mailing of its own.

It takes the way of every message: the ledger keeps it, workers send it, its page says what became of it. It is launched
as it is made, with an audience of one, so that it needs no tag that nobody else has.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from api.database import execute
from api.extensions import db
from api.http.fields import WrittenPhoneNumber
from api.http.schemas import RequestSchema
from api.mailings.queries import NOW, add_mailing, lock_mailing, write_down
from shared.domain.mailing_rules import MailingFields
from shared.errors import Invalid
from shared.schema import Client, Mailing
from shared.sql import mailings

WINDOW = timedelta(minutes=15)
"""How long a test may take. One that comes later than that would only confuse."""


class TestSendBody(RequestSchema):
    """Whom the test goes to."""

    phone_number = WrittenPhoneNumber(doubtful=True, required=True, metadata={"description": "A client's."})


def send_test_message(mailing_id: int, phone_number: int) -> int:
    """Adds the test, launched, and answers its id. Raises NotFound, and Invalid for a number nobody has."""
    mailing, terms = lock_mailing(mailing_id)
    # Locked as by a launch: a removal waits, and then finds the message.
    found = select(Client).where(Client.phone_number == phone_number).with_for_update(read=True, key_share=True)
    client = db.session.scalar(found)
    if client is None:
        raise Invalid("phone_number", "No client has this phone number. Add one first: only clients are written to.")
    now = db.session.scalars(select(NOW)).one()
    test_id = add_mailing(
        MailingFields(
            mark=f"test of mailing {mailing_id}",
            text=terms.text,
            start_datetime=now,
            end_datetime=now + WINDOW,
            on_unknown=terms.on_unknown,
        )
    )
    launched = {"mailing_id": test_id, "client_id": client.id, "phone_number": client.phone_number}
    execute(mailings.LAUNCH_TEST, launched, changes=[db.session.get_one(Mailing, test_id)])
    write_down(mailing, "test", f"mailing {test_id}")
    return test_id
