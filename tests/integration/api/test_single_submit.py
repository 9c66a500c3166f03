"""Each form of the console does its work once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from tests.conftest import Connect
from tests.factories import add_clients, add_gateway, add_running_mailing, add_segment, execute, value
from tests.inbound import add_inbound_message
from tests.integration.api.calls import Answer, Caller, add_client, add_mailing, at_once, caller, once_blocked
from tests.integration.api.html_forms import fields_of

CLIENT = {"phone_number": "79161234567", "operator_code": "916", "tag": "vip", "timezone": "UTC"}
MAILING = {"text": "Hello", "mark": "vip", "start_datetime": "2032-06-02T21:00", "end_datetime": "2032-06-03T21:00"}
DRAFT = MAILING | {"then": "review"}
CALENDAR = {"name": "own", "days": "2026-07-14 Fête nationale"}
ERASURE = {"confirm": "+79160000001", "reason": "request", "evidence": "letter 118"}
CONSENT = {"phone_number": "79160000001", "method": "web form", "wording": "I agree.", "given_at": "2022-06-01T09:00"}
SEGMENT = {"conditions_as": "text", "conditions": 'tag = "vip"'}


class Prepared(NamedTuple):
    """A form to be filled in."""

    path: str
    typed: dict[str, str] = {}
    page: str | None = None
    """Where the form is, if not at the path that it is sent to."""


NEW_GATEWAY = {"name": "second", "address": "https://gateway.invalid", "credentials.token": "x"}


@pytest.fixture(autouse=True)
def key_for_credentials(app: Flask) -> Iterator[None]:
    before = app.config["CREDENTIAL_CIPHER"]
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([Fernet.generate_key().decode()])
    yield
    app.config["CREDENTIAL_CIPHER"] = before


def existing_client(api: Caller, connection: Connection) -> int:
    return add_client(api, phone_number=79160000001)


def retriable(api: Caller, connection: Connection) -> Prepared:
    mailing_id = add_running_mailing(connection, 2)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now()")
    execute(connection, "UPDATE mailing SET launched_at = now()")
    return Prepared(f"/mailings/{mailing_id}/retry-failed/")


def unknown(api: Caller, connection: Connection) -> Prepared:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET status = 'unknown', ended_at = now(), in_doubt = true")
    return Prepared("/ledger/1/resolve/", {"outcome": "arrived"}, page="/ledger/1/")


def a_draft(api: Caller) -> str:
    return str(api.post("/mailings/new/", data=DRAFT).headers["Location"])


def trial_of_mailing(api: Caller, connection: Connection) -> Prepared:
    existing_client(api, connection)
    return Prepared(f"/mailings/{add_mailing(api)}/test/", {"phone_number": "79160000001"})


def undone(api: Caller, connection: Connection) -> Prepared:
    mailing_id = add_mailing(api)
    return Prepared(f"/mailings/{mailing_id}/undo/", page=f"/mailings/{mailing_id}/")


def sent(api: Caller, connection: Connection) -> Prepared:
    existing_client(api, connection)  # whom it reaches
    return Prepared(a_draft(api))


def gateway(_: Caller, connection: Connection) -> str:
    return f"/gateways/{add_gateway(connection, 'second')}/"


def paused(api: Caller, connection: Connection) -> Prepared:
    execute(connection, "UPDATE gateway SET paused_at = now()")
    return Prepared("/gateways/1/resume/")


def trial_of_gateway(api: Caller, connection: Connection) -> Prepared:
    existing_client(api, connection)
    return Prepared("/gateways/1/test/", {"phone_number": "79160000001", "text": "Hi"})


def route(api: Caller) -> str:
    answer = api.post("/v1/route/", json={"name": "abroad", "gateways": [{"gateway": "default"}]})
    return f"/routes/{answer.json['id']}/"


def inbound(api: Caller, connection: Connection) -> str:
    existing_client(api, connection)
    return f"/inbox/{add_inbound_message(connection, phone_number=79160000001)}/"


def read_inbound(api: Caller, connection: Connection) -> Prepared:
    path = inbound(api, connection)
    execute(connection, "UPDATE inbound_message SET read_at = now(), read_by = 'anna'")
    return Prepared(f"{path}unread/", page=path)


def template(api: Caller) -> str:
    answer = api.post("/v1/template/create/", json={"name": "kept", "text": "Hello"})
    return f"/templates/{answer.json['id']}/"


def number_list(connection: Connection) -> str:
    added = "INSERT INTO number_list (name, is_complete) VALUES ('kept', true) RETURNING id"
    return f"/number-lists/{value(connection, added)}/"


def calendar(api: Caller) -> str:
    answer = api.post("/v1/holiday-calendar/", json={"name": "own", "days": []})
    return f"/holiday-calendars/{answer.json['id']}/"


def suppressed(api: Caller, _: Connection) -> Prepared:
    body = {"phone_number": 79160000001, "scope": "everything", "reason": "opted_out"}
    found = api.post("/v1/suppression/create/", json=body).json["id"]
    return Prepared(f"/suppressions/{found}/lift/", {"evidence": "letter 118"})


def consenting(api: Caller, _: Connection) -> Prepared:
    found = api.post("/v1/consent/create/", json=CONSENT | {"given_at": "2022-06-01T09:00:00Z"}).json["id"]
    return Prepared(f"/consents/{found}/withdraw/", {"evidence": "letter 118"})


FORMS: dict[str, Callable[[Caller, Connection], Prepared]] = {
    "console.new_client": lambda api, _: Prepared("/clients/new/", CLIENT),
    "console.edit_client": lambda api, db: Prepared(f"/clients/{existing_client(api, db)}/edit/", {"tag": "other"}),
    "console.remove_client": lambda api, db: Prepared(f"/clients/{existing_client(api, db)}/remove/"),
    "console.new_client_field": lambda *_: Prepared("/clients/fields/new/", {"name": "city"}),
    "console.edit_client_field": lambda *_: Prepared("/clients/fields/4/edit/", {"label": "Born"}),
    "console.remove_client_field": lambda *_: Prepared("/clients/fields/4/remove/", {"values": "remove"}),
    "console.new_mailing": lambda api, _: Prepared("/mailings/new/", DRAFT),
    "console.edit_mailing": lambda api, _: Prepared(f"/mailings/{add_mailing(api)}/edit/", {"text": "Other"}),
    "console.mailing_action": retriable,
    "console.mailing_test": trial_of_mailing,
    "console.edit_draft": lambda api, _: Prepared(f"{a_draft(api)}edit/", {"text": "Other", "then": "keep"}),
    "console.review_draft": sent,
    "console.remove_draft": lambda api, _: Prepared(f"{a_draft(api)}remove/"),
    "console.undo_mailing": undone,
    "console.resolve_message": unknown,
    "console.read_inbound": lambda api, db: Prepared(f"{inbound(api, db)}read/", page="/inbox/1/"),
    "console.unread_inbound_again": read_inbound,
    "console.answer_inbound": lambda api, db: Prepared(f"{inbound(api, db)}answer/", {"text": "Yes"}, "/inbox/1/"),
    "console.decide_inbound": lambda api, db: Prepared(f"{inbound(api, db)}decide/", {"decision": "stop"}, "/inbox/1/"),
    "console.new_gateway": lambda *_: Prepared("/gateways/new/?provider=gonets", NEW_GATEWAY),
    "console.edit_gateway": lambda *_: Prepared("/gateways/1/edit/", {"segment_price": "1", "currency": "EUR"}),
    "console.pause_gateway": lambda *_: Prepared("/gateways/1/pause/"),
    "console.resume_gateway": paused,
    "console.remove_gateway": lambda api, db: Prepared(f"{gateway(api, db)}remove/"),
    "console.gateway_test": trial_of_gateway,
    "console.new_route": lambda *_: Prepared("/routes/new/", {"name": "abroad", "place.default": "1"}),
    "console.edit_route": lambda api, _: Prepared(f"{route(api)}edit/", {"prefixes": "380"}),
    "console.remove_route": lambda api, _: Prepared(f"{route(api)}remove/"),
    "console.new_segment": lambda *_: Prepared("/segments/new/", {"name": "new"} | SEGMENT),
    "console.edit_segment": lambda _, db: Prepared(f"/segments/{add_segment(db, 'name exists')}/edit/", SEGMENT),
    "console.remove_segment": lambda _, db: Prepared(f"/segments/{add_segment(db, 'name exists')}/remove/"),
    "console.new_template": lambda *_: Prepared("/templates/new/", {"name": "new", "text": "Hi"}),
    "console.edit_template": lambda api, _: Prepared(f"{template(api)}edit/", {"text": "{{ name }}"}),
    "console.remove_template": lambda api, _: Prepared(f"{template(api)}remove/"),
    "console.erase_number": lambda *_: Prepared("/numbers/79160000001/erase/", ERASURE),
    "console.sending_rules": lambda *_: Prepared("/sending-rules/", {"requires_approval": "on"}),
    "console.keyword_replies": lambda *_: Prepared("/sending-rules/replies/", {"help.en": "Example Ltd."}),
    "console.new_holiday_calendar": lambda *_: Prepared(
        "/holiday-calendars/new/", {"name": "own", "days": "2026-07-14"}
    ),
    "console.edit_holiday_calendar": lambda api, _: Prepared(f"{calendar(api)}edit/", {"name": "other"}),
    "console.remove_holiday_calendar": lambda api, _: Prepared(f"{calendar(api)}remove/"),
    "console.new_suppression": lambda *_: Prepared("/suppressions/new/", {"phone_number": "79160000001"}),
    "console.lift_suppression": suppressed,
    "console.new_consent": lambda *_: Prepared("/consents/new/", CONSENT),
    "console.withdraw_consent": consenting,
    "console.remove_number_list": lambda api, db: Prepared(f"{number_list(db)}remove/"),
}
"""Every form that writes, ready to be sent, by its endpoint."""
IMPORTS = frozenset(
    {"console.import_file", "console.number_list_file", "console.suppressions_file", "console.consents_file"}
)
"""What a script sends without a token: the same file again changes nothing, or is refused by its name."""
READING = frozenset(
    f"console.{name}"
    for name in ("condition_part", "estimate_part", "segment_count", "segment_count_part", "template_preview_part")
)
"""What changes nothing although it is a POST."""


def fill_in(api: Caller, form: Prepared) -> dict[str, str]:
    return fields_of(api.get(form.page or form.path)) | form.typed


class Written:
    """What the audit got since the test began: every write has one entry."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before = self._count()

    def _count(self) -> int:
        return int(value(self._connection, "SELECT count(*) FROM audit_entry"))

    def __call__(self) -> int:
        return self._count() - self._before


def same_redirect(answers: list[Answer]) -> bool:
    return {answer.status_code for answer in answers} == {302} and len(
        {one.headers["Location"] for one in answers}
    ) == 1


def test_every_form_that_writes_is_tried_here(app: Flask) -> None:
    posted = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {endpoint for endpoint in posted if endpoint.startswith("console.")} - READING - IMPORTS == set(FORMS)


@pytest.mark.parametrize("endpoint", FORMS)
def test_a_form_that_is_sent_again_gets_the_same_answer_and_does_nothing(
    api: Caller, connection: Connection, endpoint: str
) -> None:
    form = FORMS[endpoint](api, connection)
    data, written = fill_in(api, form), Written(connection)
    assert same_redirect([api.post(form.path, data=data) for _ in range(3)])
    assert written() == 1


@pytest.mark.parametrize("endpoint", FORMS)
def test_a_form_that_is_sent_twice_at_once_gets_one_answer(
    app: Flask, api: Caller, connection: Connection, endpoint: str
) -> None:
    form = FORMS[endpoint](api, connection)
    data, written = fill_in(api, form), Written(connection)
    assert same_redirect(at_once(*(lambda: caller(app).post(form.path, data=data) for _ in range(4))))
    assert written() == 1


def test_the_second_waits_for_the_first_one_s_commit(app: Flask, api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    path = f"/mailings/{mailing_id}/pause/"
    data = fields_of(api.get(path))
    # The first waits for the mailing's lock, the second for the first.
    execute(connection, "SELECT pg_advisory_lock(%s)", mailing_id)
    answers = once_blocked(
        connection,
        lambda: execute(connection, "SELECT pg_advisory_unlock(%s)", mailing_id),
        *(lambda: caller(app).post(path, data=data) for _ in range(2)),
    )
    assert same_redirect(answers)
    assert value(connection, "SELECT count(*) FROM mailing_event") == 1


@pytest.mark.parametrize(
    ("endpoint", "change"),
    [
        ("console.new_client", {"phone_number": "79161234568"}),
        ("console.edit_client", {"tag": "a third"}),
        ("console.edit_mailing", {"text": "A third"}),
        ("console.mailing_test", {"phone_number": "79160000002"}),
    ],
)
def test_a_form_that_comes_back_with_another_content_says_so_and_keeps_it(
    api: Caller, connection: Connection, endpoint: str, change: dict[str, str]
) -> None:
    add_client(api, phone_number=79160000002)
    form = FORMS[endpoint](api, connection)
    data = fill_in(api, form)
    made, written = api.post(form.path, data=data).headers["Location"], Written(connection)
    answer = api.post(form.path, data=data | change)
    assert answer.status_code == 409
    assert "This form has already been submitted with other content." in answer.text
    assert f'href="{made.replace("&", "&amp;")}"' in answer.text
    assert written() == 0
    # It is offered as a new one: what was typed stands in a form that was not sent yet.
    anew = fields_of(answer)
    assert change.items() <= anew.items()
    assert anew["form_token"] != data["form_token"]
    assert api.post(form.path, data=anew).status_code == 302
    assert written() == 1


def test_a_form_that_was_refused_may_be_sent_again(api: Caller, connection: Connection) -> None:
    data = fields_of(api.get("/clients/new/")) | CLIENT
    refused = api.post("/clients/new/", data=data | {"operator_code": "111"})
    assert refused.status_code == 422
    assert api.post("/clients/new/", data=data).status_code == 302
    assert value(connection, "SELECT count(*) FROM client") == 1


def test_a_token_is_its_sender_s_and_its_page_s(app: Flask, api: Caller, connection: Connection) -> None:
    other = caller(app, api.post("/v1/key/create/", json={"name": "another", "role": "operator"}).json["key"])
    one, two = add_mailing(api), add_mailing(api)
    data = fields_of(api.get(f"/mailings/{one}/pause/"))
    assert api.post(f"/mailings/{one}/pause/", data=data).status_code == 302
    assert other.post(f"/mailings/{two}/pause/", data=data).status_code == 302
    # It is not the same form on another page.
    assert api.post(f"/mailings/{one}/cancel/", data=data).status_code == 409
    assert value(connection, "SELECT count(*) FROM mailing_event") == 2


def test_going_back_from_the_review_changes_the_draft(api: Caller, connection: Connection) -> None:
    data = fields_of(api.get("/mailings/new/")) | DRAFT
    first = api.post("/mailings/new/", data=data).headers["Location"]
    second = api.post("/mailings/new/", data=data | {"text": "Better"}).headers["Location"]
    assert first == second
    # The same text again is no change: it has no entry in the audit, and the next change is taken all the same.
    written = Written(connection)
    kept = api.post("/mailings/new/", data=data | {"text": "Better", "then": "keep"})
    assert (kept.headers["Location"], written()) == ("/mailings/#draft-1", 0)
    assert api.post("/mailings/new/", data=data | {"text": "Better yet"}).headers["Location"] == first
    assert api.post("/mailings/new/", data=data | {"text": "Better"}).headers["Location"] == first
    assert written() == 2
    assert value(connection, "SELECT fields ->> 'text' FROM mailing_draft") == "Better"
    # Not once somebody else has changed it, though: that is told.
    page = "/mailings/drafts/1/edit/"
    assert api.post(page, data=fields_of(api.get(page)) | {"text": "Of another", "then": "keep"}).status_code == 302
    assert api.post("/mailings/new/", data=data | {"text": "Best"}).status_code == 409
    assert value(connection, "SELECT fields ->> 'text' FROM mailing_draft") == "Of another"
    # Nor once it is a mailing.
    add_clients(connection, 1, tag="vip")
    assert api.post(first, data=fields_of(api.get(first))).status_code == 302
    again = api.post("/mailings/new/", data=data | {"text": "Best"})
    assert again.status_code == 409
    assert f'href="{first}"' in again.text
    assert api.get(first).headers["Location"] == "/mailings/1/"


def test_of_two_editors_at_once_one_is_told(app: Flask, api: Caller, connection: Connection, connect: Connect) -> None:
    client_id = add_client(api)
    path = f"/clients/{client_id}/edit/"
    data = fields_of(api.get(path)) | {"tag": "mine"}
    other = connect()
    other.autocommit = False
    execute(other, "UPDATE client SET tag = 'theirs', updated_at = now() WHERE id = %s", client_id)
    # The request has read the client, and waits for the row.
    (answer,) = once_blocked(connection, other.commit, lambda: caller(app).post(path, data=data))
    assert answer.status_code == 422
    assert "Somebody else has changed this" in answer.text
    assert value(connection, "SELECT tag FROM client") == "theirs"
