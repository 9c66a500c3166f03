"""Drafts, the review before a mailing is sent, and the time in which that can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, execute, mailing, rows, value
from tests.integration.api.calls import Caller, add_mailing, caller
from tests.integration.api.html_forms import fields_of

PASTED = "".join(
    "Дорогие клиенты! Мы рады сообщить, что в эту субботу открывается новый магазин.\n" for _ in range(30)
)[:1677]


@pytest.fixture(autouse=True)
def settings(app: Flask) -> Iterator[None]:
    """A grace period of a minute, and a price."""
    before = dict(app.config)
    app.config.update(SEND_GRACE_SECONDS=60.0, PRICE_PER_SEGMENT=Decimal("0.05"), PRICE_CURRENCY="EUR")
    yield
    app.config.update(before)


def typed(starts_in: float = 0, ends_in: float = 3600, **changes: str) -> dict[str, str]:
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(seconds=one):%Y-%m-%dT%H:%M:%S}" for one in (starts_in, ends_in))
    window = {"start_datetime": start, "end_datetime": end, "zone": "UTC"}
    return {"text": "Hello", "mark": "vip", "on_unknown": "resend"} | window | changes


def draft_of(api: Caller, data: dict[str, str]) -> str:
    answer = api.post("/mailings/new/", data=data)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def kept(connection: Connection) -> dict[str, str]:
    found: dict[str, str] = value(connection, "SELECT fields FROM mailing_draft")
    return found


def test_the_review_says_exactly_what_will_be_sent(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1200, tag="vip")
    page = api.get(draft_of(api, typed(text="See https://example.org/a?b=1. <b>Now</b>"))).text
    assert "Send to 1,200 clients now" in page
    assert "<dt>Cost</dt><dd><b>60.00 EUR</b></dd>" in page
    assert 'href="https://example.org/a?b=1"' in page
    assert "&lt;b&gt;Now&lt;/b&gt;" in page
    assert "<b>1 min after you send it</b>; until then, you can undo it" in page
    assert value(connection, "SELECT count(*) FROM mailing") == 0


def test_a_later_start_is_on_the_button(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    data = typed() | {"start_datetime": "2032-11-30T09:00", "end_datetime": "2032-11-30T12:00"}
    page = api.get(draft_of(api, data)).text
    assert 'Schedule for <time datetime="2032-11-30T09:00:00.000Z" data-moment="minute">2032-11-30 09:00 UTC' in page
    assert "Send to" not in page


def test_sending_now_leaves_the_time_to_undo_it(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    review = draft_of(api, typed())
    before = value(connection, "SELECT now()")
    there = api.post(review, data=fields_of(api.get(review))).headers["Location"]
    start, after = rows(connection, "SELECT start_datetime, now() FROM mailing")[0]
    assert before <= start - timedelta(seconds=60) <= after
    page = api.get(there)
    assert "Undo: back to a draft" in page.text
    back = api.post(f"{there}undo/", data=fields_of(page)).headers["Location"]
    assert value(connection, "SELECT count(*) FROM mailing") == 0
    assert fields_of(api.get(back))["text"] == "Hello"
    # It is the same draft, and can be sent again.
    assert back == f"{review}edit/"
    assert api.post(review, data=fields_of(api.get(review))).status_code == 302
    assert value(connection, "SELECT count(*) FROM mailing") == 1


def test_without_a_grace_period_sending_starts_at_once(app: Flask, api: Caller, connection: Connection) -> None:
    app.config["SEND_GRACE_SECONDS"] = 0.0
    add_clients(connection, 2, tag="vip")
    review = draft_of(api, typed(starts_in=-600))
    before = value(connection, "SELECT now()")
    api.post(review, data=fields_of(api.get(review)))
    start, after = rows(connection, "SELECT start_datetime, now() FROM mailing")[0]
    assert before <= start <= after


def test_what_has_started_is_not_undone(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    data = fields_of(api.get(f"/mailings/{mailing_id}/"))
    execute(connection, "UPDATE mailing SET status = 'running', launch_started_at = now(), max_client_id = 0")
    answer = api.post(f"/mailings/{mailing_id}/undo/", data=data)
    assert answer.status_code == 409
    assert "it is too late to make it a draft again" in answer.text
    assert f'action="/mailings/{mailing_id}/cancel/"' in answer.text
    assert value(connection, "SELECT count(*) FROM mailing_draft") == 0


def test_a_mailing_of_the_api_becomes_a_draft_as_it_is(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, on_unknown="hold")
    api.post(f"/mailings/{mailing_id}/undo/", data=fields_of(api.get(f"/mailings/{mailing_id}/")))
    assert kept(connection) == {
        "text": "Привет!",
        "mark": "vip",
        "start_datetime": "2032-06-02T18:25:43.511000Z",
        "end_datetime": "2032-06-03T18:25:43.511000Z",
        "on_unknown": "hold",
        "kind": "marketing",
        "local_window": "none",
        "requires_consent": "false",
        "over_cap": "wait",
    }


def test_each_warning_is_confirmed_before_anything_is_sent(api: Caller, connection: Connection) -> None:
    review = draft_of(api, typed(mark="nobody"))
    page = api.get(review)
    assert 'type="checkbox" name="confirm" value="nobody_matches" id="confirm-nobody_matches" required' in page.text
    answer = api.post(review, data=fields_of(page))
    assert (answer.status_code, "Confirm each warning first." in answer.text) == (422, True)
    assert value(connection, "SELECT count(*) FROM mailing") == 0
    assert api.post(review, data=fields_of(answer) | {"confirm": "nobody_matches"}).status_code == 302


@pytest.mark.parametrize("ends_in", [-60, 30])
def test_a_window_that_is_over_before_sending_starts_is_refused(
    api: Caller, connection: Connection, ends_in: float
) -> None:
    answer = api.post("/mailings/new/", data=typed(starts_in=-3600, ends_in=ends_in))
    assert answer.status_code == 422
    assert 'id="end_datetime-error">The end has passed' in answer.text
    # What was right when it was written may be over when it is sent.
    review = draft_of(api, typed(starts_in=-3600, ends_in=ends_in, then="keep"))
    assert review.startswith("/mailings/#draft-")
    page = api.get("/mailings/drafts/1/")
    assert "Send to" not in page.text
    refused = api.post("/mailings/drafts/1/", data=fields_of(page))
    assert (refused.status_code, "The end has passed" in refused.text) == (422, True)
    assert value(connection, "SELECT count(*) FROM mailing") == 0
    # Programs may still add it.
    body = {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-02T00:00:00Z"}
    assert api.get(f"/v1/mailing/{add_mailing(api, **body)}/").json["warnings"][0]["code"] == "window_closed"


def test_an_audience_that_has_grown_is_shown_again(api: Caller, connection: Connection) -> None:
    add_clients(connection, 10, tag="vip")
    review = draft_of(api, typed())
    data = fields_of(api.get(review))
    add_clients(connection, 5, tag="vip")
    answer = api.post(review, data=data)
    assert answer.status_code == 422
    assert "There are 15 clients now, and 10 were shown before." in answer.text
    assert "Send to 15 clients now" in answer.text
    assert api.post(review, data=fields_of(answer)).status_code == 302


def test_a_draft_that_somebody_else_changed_is_not_sent(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    review = draft_of(api, typed())
    data = fields_of(api.get(review))
    edit = fields_of(api.get(f"{review}edit/"))
    api.post(f"{review}edit/", data=edit | {"text": "Other", "then": "keep"})
    answer = api.post(review, data=data)
    assert (answer.status_code, "Somebody else has changed this" in answer.text) == (422, True)
    assert value(connection, "SELECT count(*) FROM mailing") == 0


def test_a_draft_is_sent_once_from_two_windows(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    review = draft_of(api, typed())
    windows = [fields_of(api.get(review)) for _ in range(2)]
    assert len({api.post(review, data=data).headers["Location"] for data in windows}) == 1
    assert value(connection, "SELECT count(*) FROM mailing") == 1


def test_a_draft_may_be_incomplete_and_is_kept_as_it_was_typed(api: Caller, connection: Connection) -> None:
    api.post("/mailings/new/", data={"text": " Half a", "mark": "", "start_datetime": "", "then": "keep"})
    assert kept(connection) == {"text": " Half a", "mark": "", "start_datetime": ""}
    page = api.get("/mailings/")
    assert "Half a" in page.text
    assert 'href="/mailings/drafts/1/edit/"' in page.text
    page = api.get("/mailings/drafts/1/")
    assert "It can't be sent yet:" in page.text
    assert "Send to" not in page.text


def test_a_text_that_is_too_long_is_kept_and_counted_and_refused_with_how_much_is_too_much(
    api: Caller, connection: Connection
) -> None:
    assert len(PASTED) == 1677
    answer = api.post("/mailings/new/", data=typed(text=PASTED.replace("\n", "\r\n")))
    assert answer.status_code == 422
    assert "Has 1677 characters, 77 more than the 1600 allowed." in answer.text
    assert fields_of(answer)["text"] == PASTED
    assert "maxlength" not in answer.text
    plan = api.post("/mailings/estimate/", data=typed(text=PASTED)).text
    assert "77 characters too many: a text may have 1,600." in plan
    draft_of(api, typed(text=PASTED, then="keep"))
    assert kept(connection)["text"] == PASTED
    russian = api.get("/mailings/drafts/1/", headers={"Accept-Language": "ru"}).text
    assert "Символов: 1677, это на 77 больше, чем допустимые 1600." in russian
    assert api.post("/mailings/drafts/1/", data=fields_of(api.get("/mailings/drafts/1/"))).status_code == 422


def test_a_text_of_many_pages_is_counted_and_kept_too(api: Caller, connection: Connection) -> None:
    text = "я" * 20_000  # in a form, six times as many bytes
    assert "18,400 characters too many" in api.post("/mailings/estimate/", data=typed(text=text)).text
    answer = api.post("/mailings/new/", data=typed(text=text))
    assert (answer.status_code, fields_of(answer)["text"]) == (422, text)
    assert "Has 20000 characters, 18400 more than the 1600 allowed." in answer.text
    draft_of(api, typed(text=text, then="keep"))
    assert kept(connection)["text"] == text


def test_a_tag_a_mark_and_a_name_that_are_too_long_are_kept_and_counted(api: Caller) -> None:
    long, said = "я" * 101, "Has 101 characters, 1 more than the 100 allowed."
    client = {"phone_number": "79161234567", "operator_code": "916", "tag": long, "timezone": "UTC"}
    for path, field, form in (("/clients/new/", "tag", client), ("/mailings/new/", "mark", typed(mark=long))):
        answer = api.post(path, data=form)
        assert (answer.status_code, fields_of(answer)[field]) == (422, long)
        assert said in answer.text
    named = api.post("/v1/key/create/", json={"name": long, "role": "viewer"})
    assert named.json["errors"]["json"]["name"] == [said]
    searched = api.get("/v1/client/", query_string={"tag": long})
    assert searched.json["errors"]["query"]["tag"] == [said]


def test_no_field_of_a_form_cuts_what_is_typed() -> None:
    api_folder = Path(__file__).parents[3] / "api"
    assert [file.name for file in api_folder.rglob("*.html") if "maxlength" in file.read_text()] == []


def test_a_draft_that_no_database_can_keep_is_refused(api: Caller, connection: Connection) -> None:
    answer = api.post("/mailings/new/", data={"text": "a\0b", "then": "keep"})
    assert answer.status_code == 422
    assert "Must not contain the NUL character." in answer.text


def test_drafts_and_undoing_are_for_those_who_may_send(app: Flask, api: Caller, connection: Connection) -> None:
    review = draft_of(api, typed())
    viewer = caller(app, api.post("/v1/key/create/", json={"name": "looks", "role": "viewer"}).json["key"])
    mailing_id = add_mailing(api)
    assert "Drafts" not in viewer.get("/mailings/").text
    assert "Undo" not in viewer.get(f"/mailings/{mailing_id}/").text
    for path in (review, f"{review}edit/", f"{review}remove/"):
        assert viewer.get(path).status_code == 403
    assert viewer.post(f"/mailings/{mailing_id}/undo/").status_code == 403


def test_what_is_done_to_drafts_is_in_the_audit_without_texts(api: Caller, connection: Connection) -> None:
    before = value(connection, "SELECT coalesce(max(id), 0) FROM audit_entry")
    add_clients(connection, 1, tag="other")
    review = draft_of(api, typed())
    api.post(f"{review}edit/", data=fields_of(api.get(f"{review}edit/")) | {"text": "A secret", "mark": "other"})
    there = api.post(review, data=fields_of(api.get(review))).headers["Location"]
    api.post(f"{there}undo/", data=fields_of(api.get(there)))
    api.post(f"{review}remove/", data=fields_of(api.get(f"{review}remove/")))
    entries = rows(
        connection, "SELECT operation, object, object_id, detail FROM audit_entry WHERE id > %s ORDER BY id", before
    )
    changes = {"text": ["…", "…"], "mark": ["vip", "other"], "kind": ["", "marketing"], "local_window": ["", "rules"]}
    assert entries == [
        ("createDraft", "draft", 1, None),
        ("updateDraft", "draft", 1, changes),
        ("sendDraft", "mailing", 1, None),
        ("undoMailing", "mailing", 1, {"draft": 1}),
        ("deleteDraft", "draft", 1, None),
    ]


def test_a_start_that_is_moved_to_now_can_be_undone_too(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    page = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    changed = page | {"start_datetime": "2026-01-01T00:00", "end_datetime": "2032-06-03T00:00"}
    before = datetime.now(UTC)
    assert api.post(f"/mailings/{mailing_id}/edit/", data=changed).status_code == 302
    start = mailing(connection, mailing_id)["start_datetime"]
    assert before <= start - timedelta(seconds=60) <= datetime.now(UTC)
