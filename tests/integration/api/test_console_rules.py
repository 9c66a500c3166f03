"""The console's pages for the rules of sending: of one mailing, and of all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from tests.factories import add_clients, add_running_mailing, execute, rows, value
from tests.integration.api.calls import Answer, Caller, add_mailing, caller
from tests.integration.api.html_forms import fields_of

DAYS = ["monday", "tuesday"]
WINDOW = {"start_datetime": "2032-06-02T06:00", "end_datetime": "2032-06-03T06:00"}


def followed(api: Caller, answer: Answer) -> Answer:
    assert answer.status_code == 302, answer.text[answer.text.find("<main") :]
    return api.get(answer.headers["Location"])


def test_a_mailing_with_rules_is_written_reviewed_and_shown(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    execute(connection, "UPDATE client SET timezone = 'Asia/Tokyo' WHERE id = (SELECT min(id) FROM client)")
    api.post("/v1/holiday-calendar/", json={"name": "ours", "days": [{"day": "2032-12-31"}]})
    form = fields_of(api.get("/mailings/new/?mark=vip")) | WINDOW | {"text": "Hi", "kind": "service"}
    assert form["local_window"] == "rules"
    typed = {"local_window": "own", "local_from": "10:00", "local_until": "9:00", "local_weekdays": DAYS}
    typed |= {"holiday_calendar_id": "1", "default_timezone": "", "requires_consent": "true", "over_cap": "cancel"}
    typed |= {"spending_limit": "12,50", "spending_currency": "eur"}
    wrong = api.post("/mailings/new/", data=form | typed | {"then": "review"})
    assert wrong.status_code == 422
    assert "must be after the time from which they are" in wrong.text
    again = fields_of(wrong) | typed | {"local_until": "20:00", "local_weekdays": ["wednesday"], "then": "review"}
    review = followed(api, api.post("/mailings/new/", data=again))
    for words in ("10:00–20:00, Wed", "service messages", "opens last at", "Without consent", "12.50 EUR"):
        assert words in review.text
    draft = rows(connection, "SELECT fields FROM mailing_draft")[0][0]
    assert (draft["local_weekdays"], draft["spending_limit"]) == ("wednesday", "12,50")
    confirmed = re.findall(r'name="confirm" value="(\w+)"', review.text)
    page = followed(api, api.post("/mailings/drafts/1/", data=fields_of(review) | {"confirm": confirmed}))
    assert "10:00–20:00, Wed" in page.text
    for words in ("ours", "Clients without a time zone get no message.", "the message is cancelled"):
        assert words in page.text
    stored = "SELECT kind::text, local_from, local_until, local_weekdays, holiday_calendar_id, default_timezone, "
    stored += "requires_consent, over_cap::text, spending_limit, spending_currency FROM mailing"
    assert rows(connection, stored) == [
        ("service", 600, 1200, 4, 1, None, True, "cancel", Decimal("12.5"), "EUR"),
    ]
    undone = followed(api, api.post("/mailings/1/undo/", data=fields_of(page)))
    assert fields_of(undone)["local_from"] == "10:00"


def test_a_rule_of_a_mailing_is_changed_and_the_history_says_so(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, local_from="09:00", local_until="21:00")
    path = f"/mailings/{mailing_id}/edit/"
    form = fields_of(api.get(path))
    assert (form["local_window"], form["requires_consent"]) == ("own", "false")
    typed = {"local_until": "18:00", "local_weekdays": DAYS, "default_timezone": "Europe/Moscow", "kind": "service"}
    page = followed(api, api.post(path, data=form | typed))
    assert "09:00–18:00, Mon, Tue" in page.text
    for words in ("21:00</span> → <span", "every day", "service messages", "as in Europe/Moscow"):
        assert words in page.text
    none = followed(api, api.post(path, data=fields_of(api.get(path)) | {"local_window": "none"}))
    assert "none: at any time of day" in none.text
    assert value(connection, "SELECT local_from FROM mailing") is None
    copied = fields_of(api.get(f"/mailings/new/?like={mailing_id}"))
    assert (copied["local_window"], copied["kind"]) == ("none", "service")


def test_a_preset_is_filled_in_without_scripts(api: Caller) -> None:
    form = fields_of(api.get("/mailings/new/"))
    filled = fields_of(api.post("/mailings/new/", data=form | {"preset": "us-strict", "change": "preset"}))
    assert (filled["local_window"], filled["local_from"], filled["local_until"]) == ("own", "08:00", "20:00")


def test_the_estimate_has_the_window_of_the_rules_unless_the_form_has_its_own(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 1, tag="vip")
    form = fields_of(api.get("/mailings/new/?mark=vip")) | WINDOW
    assert "opens last at" not in api.post("/mailings/estimate/", data=form).text
    own = form | {"local_window": "own", "local_weekdays": ["wednesday"], "local_from": "10:00", "local_until": "11:00"}
    assert "opens last at" in api.post("/mailings/estimate/", data=own).text
    half = api.post("/mailings/estimate/", data=own | {"local_until": ""})
    assert half.status_code == 200
    execute(connection, "UPDATE sending_rules SET local_from = 540, local_until = 600, local_weekdays = 127")
    assert "opens last at" in api.post("/mailings/estimate/", data=form).text
    assert "09:00–10:00, every day" in api.get("/mailings/new/").text


def test_a_second_person_approves_what_they_have_read(app: Flask, api: Caller, connection: Connection) -> None:
    other = caller(app, api.post("/v1/key/create/", json={"name": "Boris", "role": "operator"}).json["key"])
    execute(connection, "UPDATE sending_rules SET requires_approval = true")
    add_mailing(api)
    own = api.get("/mailings/1/")
    assert ">Approve</a>" not in own.text
    assert "You have created mailing 1: somebody else must approve it." in own.text
    assert api.get("/mailings/1/approve/").status_code == 409
    assert "Waits for approval:" in api.get("/").text
    assert ">Approve</a>" in other.get("/mailings/1/").text
    read = fields_of(other.get("/mailings/1/approve/"))
    changed = api.post("/mailings/1/edit/", data=fields_of(api.get("/mailings/1/edit/")) | {"text": "Changed"})
    assert changed.status_code == 302
    stale = other.post("/mailings/1/approve/", data=read)
    assert stale.status_code == 409
    assert "Somebody else has changed this" in stale.text
    page = followed(other, other.post("/mailings/1/approve/", data=fields_of(other.get("/mailings/1/approve/"))))
    for words in ("The mailing is approved.", "approved", "Boris"):
        assert words in page.text
    assert value(connection, "SELECT approved_by FROM mailing") == "Boris"


def test_messages_that_wait_for_their_window_are_counted(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, "UPDATE mailing SET local_from = 0, local_until = 60, local_weekdays = 127")
    assert "local window or another" not in api.get(f"/mailings/{mailing_id}/").text
    execute(connection, "UPDATE message SET due_at = now() + interval '5 h' WHERE id < 3")
    assert "About 2 messages wait for their local windows" in api.get(f"/mailings/{mailing_id}/").text


def test_the_sending_rules_are_changed(api: Caller, connection: Connection) -> None:
    page = api.get("/sending-rules/").text
    assert "Federal law 38-FZ on advertising" in page
    form = fields_of(api.get("/sending-rules/"))
    half = api.post("/sending-rules/", data=form | {"cap_messages.0": "2"})
    assert half.status_code == 422
    filled = fields_of(api.post("/sending-rules/", data=form | {"preset": "fr", "change": "preset"}))
    assert (filled["local_window"], filled["local_from"]) == ("own", "08:00")
    typed: dict[str, str | list[str]] = {
        "cap_messages.0": "2",
        "cap_hours.0": "24",
        "cap_messages.3": "5",
        "cap_hours.3": "168",
    }
    typed |= {"daily_spending_limit": "5000", "spending_currency": "RUB", "requires_approval": "on"}
    typed |= {"default_timezone": "Europe/Paris", "local_weekdays": DAYS}
    saved = followed(api, api.post("/sending-rules/", data=filled | typed))
    assert "The change is saved." in saved.text
    assert api.post("/sending-rules/", data=form | {"local_window": "none"}).status_code == 422  # opened before
    found = rows(
        connection, "SELECT local_from, local_weekdays, default_timezone, requires_approval FROM sending_rules"
    )
    assert found == [(480, 3, "Europe/Paris", True)]
    assert rows(connection, "SELECT messages, period_hours FROM message_cap ORDER BY 1") == [(2, 24), (5, 168)]
    shown = fields_of(api.get("/sending-rules/"))
    assert (shown["cap_hours.1"], shown["daily_spending_limit"]) == ("168", "5000")


def test_replies_to_keywords_are_changed_by_language(api: Caller, connection: Connection) -> None:
    form = fields_of(api.get("/sending-rules/replies/"))
    typed = {"help.en": "Example Ltd.", "no_reply.stop.ru": "on", "reply_language": "ru"}
    saved = followed(api, api.post("/sending-rules/replies/", data=form | typed))
    assert "1 segment · 12 characters" in saved.text
    assert value(connection, "SELECT replies FROM sending_rules") == {
        "help": {"en": "Example Ltd."},
        "stop": {"ru": None},
    }
    again = fields_of(api.get("/sending-rules/replies/"))
    assert (again["help.en"], again["no_reply.stop.ru"], again["reply_language"]) == ("Example Ltd.", "on", "ru")


def test_a_holiday_calendar_is_made_of_a_country_changed_and_removed(api: Caller, connection: Connection) -> None:
    form = fields_of(api.get("/holiday-calendars/new/"))
    assert api.post("/holiday-calendars/new/", data=form | {"name": "a", "days": "14 July"}).status_code == 422
    made = followed(
        api, api.post("/holiday-calendars/new/", data=form | {"name": "France", "country": "FR", "years": "2032"})
    )
    assert "2032-07-14" in made.text
    path = "/holiday-calendars/1/edit/"
    changed = fields_of(api.get(path))
    assert "2032-07-14 Fête nationale" in changed["days"]
    page = followed(api, api.post(path, data=changed | {"days": "2032-07-14 Fête\r\n\r\n2032-12-24"}))
    assert "2032-12-24" in page.text
    assert rows(connection, "SELECT day::text, name FROM holiday ORDER BY day") == [
        ("2032-07-14", "Fête"),
        ("2032-12-24", ""),
    ]
    assert "France" in api.get("/holiday-calendars/").text
    remove = "/holiday-calendars/1/remove/"
    assert "The calendar is removed." in followed(api, api.post(remove, data=fields_of(api.get(remove)))).text


@pytest.fixture
def key_for_hashes(app: Flask) -> Iterator[None]:
    before = app.config["CREDENTIAL_CIPHER"]
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([Fernet.generate_key().decode()])
    yield
    app.config["CREDENTIAL_CIPHER"] = before


@pytest.mark.usefixtures("key_for_hashes")
def test_a_number_is_erased_after_it_was_typed_again(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    phone = value(connection, "SELECT phone_number FROM client")
    assert f'href="/numbers/{phone}/erase/"' in api.get("/clients/1/").text
    path = f"/numbers/{phone}/erase/"
    typed = {"reason": "request", "evidence": "letter 118"}
    wrong = api.post(path, data=fields_of(api.get(path)) | typed | {"confirm": "79160000009"})
    assert wrong.status_code == 422
    done = followed(api, api.post(path, data=fields_of(wrong) | typed | {"confirm": f"+{phone}"}))
    assert "The number is erased, also from 0 messages." in done.text
    assert value(connection, "SELECT count(*) FROM client") == 0
    assert rows(connection, "SELECT phone_number, reason::text FROM suppression") == [(None, "law")]
    assert api.get("/numbers/1/erase/").status_code == 404
