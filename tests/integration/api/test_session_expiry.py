"""A session that ends while somebody writes, and pages from before a sign-in: what was typed is not lost, nor done."""

from __future__ import annotations

import random
import re
import string
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from itsdangerous import TimestampSigner
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.auth import credential_cache, rate_limiter, saved_form
from api.http.form_size import MAX_FORM
from tests.factories import add_clients, execute, value
from tests.integration.api.calls import API_KEY, Answer, Caller, add_client, add_mailing, caller
from tests.integration.api.fake_clock import Clock
from tests.integration.api.html_forms import fields_of, posting_forms
from tests.integration.api.test_single_submit import FORMS, MAILING, Prepared, Written, fill_in, key_for_credentials
from tests.long_variations import few_of

__all__ = ["key_for_credentials"]

TOKENS = {"csrf_token", "form_token"}
SOME = (
    *("console.edit_client", "console.new_mailing", "console.review_draft"),
    *("console.mailing_action", "console.undo_mailing", "console.resolve_message"),
)
"""A form of each kind."""
MOST = MAX_FORM - 100
"""Bytes of a text, nearly as many as are taken."""
NEW_CLIENT = {"phone_number": "79161234567", "operator_code": "916", "tag": "vip", "timezone": "UTC"}


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has tried anything yet."""
    monkeypatch.setattr(rate_limiter, "by_sign_in_address", rate_limiter.RateLimiter())


@pytest.fixture
def browser(app: Flask, api: Caller) -> Caller:
    """A browser that an admin is signed in with."""
    browser = caller(app, None)
    assert sign_in(browser).status_code == 303
    return browser


def sign_in(browser: Caller, page: Answer | None = None, key: str = API_KEY) -> Answer:
    """Fills in the form of the page, or else of `/login/`, and sends it."""
    form = next(form for form in posting_forms(page or browser.get("/login/")) if "key" in form)
    return browser.post("/login/", data=form | {"key": key})


def end_sessions(app: Flask, connection: Connection) -> None:
    """What hours without a click do."""
    execute(connection, "UPDATE browser_session SET expires_at = now() - interval '1 s'")
    app.extensions["authenticator"]._sessions.clear()


def _begins(shown: Any, typed: Any) -> bool:
    """Whether a value is shown as it was typed; a long one up to where it is cut off. Several are a list."""
    return bool(shown.startswith(typed)) if isinstance(shown, str) and isinstance(typed, str) else bool(shown == typed)


def is_kept(typed: dict[str, str], again: dict[str, str]) -> bool:
    """Whether a form that is shown again has what was typed. A moment comes back to the second, and then as exact.

    Buttons are no fields, credentials are not shown, and of conditions only what they were typed as: text, or rows.
    """
    left = {*TOKENS, "then", "decision", *(name for name in typed if name.endswith(("_was", "_shown")))}
    left |= credentials_in(typed).keys()
    if typed.get("conditions_as") == "text":
        left |= {"joined", *(name for name in typed if name.startswith("row-"))}
    return all(_begins(again.get(name, ""), text) for name, text in typed.items() if name not in left)


def credentials_in(typed: dict[str, str]) -> dict[str, str]:
    """What has to be typed again."""
    return {name: text for name, text in typed.items() if name.startswith("credentials.")}


def hours_left(connection: Connection, which: str = "max") -> float:
    """Of the session that lasts longest, or shortest (`min`)."""
    left = value(connection, f"SELECT extract(epoch FROM {which}(expires_at) - now()) FROM browser_session")  # noqa: S608
    return float(left) / 3600


def test_a_script_of_a_page_leaves_the_sign_in_page_that_a_person_sees_usable(
    app: Flask, browser: Caller, connection: Connection
) -> None:
    """The estimate and the live part may ask while the person sends the form: one browser would get two tokens."""
    form = next(form for form in posting_forms(browser.get("/mailings/new/")) if "text" in form)
    end_sessions(app, connection)
    shown = caller(app, None)
    scripts = [
        caller(app, None).post("/mailings/estimate/", data=form, headers={"X-CSRF-Token": form["csrf_token"]}),
        caller(app, None).get("/mailings/?part=live"),
    ]
    assert [(answer.status_code, "Set-Cookie" in answer.headers) for answer in scripts] == [(401, False)] * 2
    page = shown.post("/mailings/new/", data=form)
    assert page.status_code == 401
    assert "Set-Cookie" in page.headers
    assert sign_in(shown, page).status_code == 200


def test_a_session_lasts_while_it_is_used(app: Flask, browser: Caller, connection: Connection, clock: Clock) -> None:
    sign_in(caller(app, None))
    execute(connection, "UPDATE browser_session SET expires_at = now() + interval '1 hour'")
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    # A page that is left open asks by itself: nobody is there.
    assert browser.get("/?part=live").status_code == 200
    assert hours_left(connection) < 1.01
    assert browser.get("/clients/").status_code == 200
    assert 11.9 < hours_left(connection) <= 12
    assert hours_left(connection, "min") < 1.01  # somebody else's
    # Each extension is a write, so there is at most one in ten minutes.
    for minutes, extended in ((9, False), (11, True)):
        execute(connection, "UPDATE browser_session SET expires_at = now() + %s", timedelta(hours=12, minutes=-minutes))
        clock.pass_seconds(credential_cache.TTL_SECONDS)
        assert browser.get("/clients/").status_code == 200
        assert (hours_left(connection) > 11.9) == extended


@pytest.mark.parametrize(("role", "longest"), [(None, 7 * 24), ("operator", 24)])
def test_a_session_ends_some_time_however_much_it_is_used(
    browser: Caller, connection: Connection, clock: Clock, role: str | None, longest: int
) -> None:
    begun = "UPDATE browser_session SET role = %s, started_at = now() - %s * interval '1 hour'"
    execute(connection, begun + ", expires_at = now() + interval '1 minute'", role, longest - 1)
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    assert browser.get("/clients/").status_code == 200
    assert 0.9 < hours_left(connection) <= 1


@pytest.mark.parametrize("endpoint", few_of(FORMS, *SOME))
def test_a_form_that_is_sent_without_a_session_is_shown_again_after_the_sign_in(
    app: Flask, api: Caller, browser: Caller, connection: Connection, endpoint: str
) -> None:
    form: Prepared = FORMS[endpoint](api, connection)
    data = fields_of(browser.get(form.page or form.path)) | form.typed
    end_sessions(app, connection)
    written = Written(connection)
    refused = browser.post(form.path, data=data)
    assert refused.status_code == 401
    assert "what you typed is kept" in refused.text
    wrong = sign_in(browser, refused, key="wrong")
    go_on = sign_in(browser, wrong)
    assert "You are signed in" in go_on.text
    shown = browser.post(form.path, data=fields_of(go_on))
    if endpoint == "console.undo_mailing":  # which has no page of its own
        shown = browser.get(shown.headers["Location"])
    else:
        assert "Nothing was changed. Your input is below" in shown.text
    assert shown.status_code == 200
    again = fields_of(shown)
    assert is_kept(data, again)
    assert all(again[token] != data[token] for token in TOKENS)
    # The sign-in that failed, and the one that did not.
    assert written() == 2
    assert browser.post(form.path, data=data | again | credentials_in(data)).status_code == 302
    assert written() == 3


@pytest.mark.parametrize("endpoint", few_of(FORMS, *SOME))
def test_a_form_of_a_page_from_before_the_sign_in_is_shown_again(
    app: Flask, api: Caller, browser: Caller, connection: Connection, endpoint: str
) -> None:
    form: Prepared = FORMS[endpoint](api, connection)
    data = fields_of(browser.get(form.page or form.path)) | form.typed
    sign_in_in_another_tab(app, browser, connection)
    written = Written(connection)
    shown = browser.post(form.path, data=data)
    if endpoint == "console.undo_mailing":
        shown = browser.get(shown.headers["Location"])
    else:
        assert shown.status_code == 403
        assert "Nothing was changed. Your input is below" in shown.text
    again = fields_of(shown)
    assert is_kept(data, again)
    assert written() == 0
    assert browser.post(form.path, data=data | again | credentials_in(data)).status_code == 302
    assert written() == 1


def sign_in_in_another_tab(app: Flask, browser: Caller, connection: Connection) -> None:
    end_sessions(app, connection)
    assert sign_in(browser).status_code == 303


def test_a_user_who_has_signed_in_in_another_tab_goes_on_from_the_sign_in_page(
    app: Flask, browser: Caller, connection: Connection
) -> None:
    data = fields_of(browser.get("/clients/new/")) | NEW_CLIENT
    end_sessions(app, connection)
    refused = browser.post("/clients/new/", data=data)
    sign_in_in_another_tab(app, browser, connection)
    shown = browser.post("/clients/new/", data=fields_of(refused))
    assert shown.status_code == 200
    assert NEW_CLIENT.items() <= fields_of(shown).items()


def test_the_sign_in_leads_back_to_the_page_of_what_was_sent(app: Flask, api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    for path, page in (
        (f"/mailings/new/?like={mailing_id}", f"/mailings/new/?like={mailing_id}"),
        (f"/mailings/{mailing_id}/undo/", f"/mailings/{mailing_id}/"),
        ("/ledger/1/resolve/", "/ledger/1/"),
    ):
        refused = caller(app, None).post(path, data={"text": "Hello"})
        assert next(form for form in posting_forms(refused) if "key" in form)["next"] == page


def test_what_another_site_sends_is_never_shown_as_typed(app: Flask, browser: Caller, connection: Connection) -> None:
    foreign = {"Origin": "https://else.example"}
    kept = posting_forms(caller(app, None).post("/clients/new/", data=NEW_CLIENT))[-1]["kept"]
    written = Written(connection)
    for data in (NEW_CLIENT, NEW_CLIENT | {"csrf_token": "x"}, {"kept": kept}):
        answer = browser.post("/clients/new/", data=data, headers=foreign)
        assert answer.status_code == 403
        assert "vip" not in answer.text
    refused = caller(app, None).post("/clients/new/", data=NEW_CLIENT, headers=foreign)
    assert refused.status_code == 401
    assert 'name="kept"' not in refused.text
    assert written() == 0


def test_a_form_with_a_token_from_before_the_sign_in_does_nothing_through_the_api(api: Caller, browser: Caller) -> None:
    path = f"/v1/mailing/{add_mailing(api)}/"
    assert browser.post(f"{path}pause/", data={"csrf_token": "x"}).status_code == 403
    assert api.get(path).json["status"] == "scheduled"


def test_a_form_without_a_token_is_refused_and_not_shown_again(browser: Caller) -> None:
    answer = browser.post("/clients/new/", data=NEW_CLIENT)
    assert answer.status_code == 403
    assert "Nothing has been done. What you typed is here" not in answer.text
    assert 'value="vip"' not in answer.text


def test_what_is_not_signed_here_or_too_long_ago_is_no_form(
    app: Flask, browser: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = posting_forms(caller(app, None).post("/clients/new/", data=NEW_CLIENT))[-1]["kept"]
    for other in ("", "x.y.z", f"{kept[:-3]}abc", f"x{kept}", kept):
        answer = browser.post("/clients/new/", data={"kept": other, "csrf_token": "x"})
        assert ('value="vip"' in answer.text) == (other == kept), other
    monkeypatch.setattr(saved_form, "MAX_AGE", timedelta(seconds=-1))
    assert 'value="vip"' not in browser.post("/clients/new/", data={"kept": kept, "csrf_token": "x"}).text


@pytest.mark.parametrize(
    ("open_for", "is_restored"), [(timedelta(days=7, minutes=-1), True), (timedelta(days=7, minutes=1), False)]
)
def test_a_sign_in_page_may_stay_open_for_a_week(
    app: Flask, browser: Caller, monkeypatch: pytest.MonkeyPatch, open_for: timedelta, is_restored: bool
) -> None:
    begun = int(time.time() - open_for.total_seconds())
    with monkeypatch.context() as then:
        then.setattr(TimestampSigner, "get_timestamp", lambda _: begun)
        kept = posting_forms(caller(app, None).post("/clients/new/", data=NEW_CLIENT))[-1]["kept"]

    answer = browser.post("/clients/new/", data={"kept": kept, "csrf_token": "x"})

    assert ('value="vip"' in answer.text) == is_restored


def test_neither_tokens_nor_preferences_nor_secrets_are_kept(app: Flask) -> None:
    tokens = {"csrf_token": "x", "form_token": "y", "kept": "z"}
    others = {"language": "en", "theme": "dark", "credentials.token": "secret"}
    refused = caller(app, None).post("/clients/new/", data=NEW_CLIENT | tokens | others)

    with app.test_request_context():
        form = saved_form.read(posting_forms(refused)[-1]["kept"])

    assert form == ("/clients/new/", list(NEW_CLIENT.items()))


@pytest.mark.parametrize(
    ("sent", "is_form"),
    [
        ({"data": NEW_CLIENT}, True),
        ({"data": NEW_CLIENT, "content_type": "multipart/form-data"}, True),
        ({}, True),
        ({"data": b"phone_number", "content_type": "text/csv"}, False),
    ],
    ids=["form", "form with a file", "empty", "file"],
)
def test_a_form_leads_to_the_sign_in_page_and_a_file_that_a_script_sends_does_not(
    app: Flask, sent: dict[str, Any], is_form: bool
) -> None:
    refused = caller(app, None).post("/clients/new/", **sent)

    assert refused.status_code == 401
    forms = posting_forms(refused)
    assert any("key" in form for form in forms) == is_form
    assert any("kept" in form for form in forms) == is_form


def test_a_kept_form_that_is_sent_without_a_session_again_stays_kept(app: Flask) -> None:
    kept = posting_forms(caller(app, None).post("/clients/new/", data=NEW_CLIENT))[-1]["kept"]

    again = posting_forms(caller(app, None).post("/clients/new/", data={"kept": kept}))[-1]["kept"]

    with app.test_request_context():
        assert saved_form.read(again) == ("/clients/new/", list(NEW_CLIENT.items()))


def test_a_form_is_shown_only_at_its_own_address(app: Flask, api: Caller, browser: Caller) -> None:
    client_id = add_client(api)
    kept = posting_forms(caller(app, None).post("/clients/new/", data=NEW_CLIENT | {"tag": "other"}))[-1]["kept"]
    answer = browser.post(f"/clients/{client_id}/edit/", data={"kept": kept, "csrf_token": "x"})
    assert 'value="other"' not in answer.text


def test_a_form_is_shown_again_at_an_address_with_parameters(app: Flask, api: Caller, browser: Caller) -> None:
    path = f"/mailings/new/?like={add_mailing(api)}"
    kept = posting_forms(caller(app, None).post(path, data={"text": "As it was typed"}))[-1]["kept"]
    shown = browser.post(path, data={"kept": kept, "csrf_token": "x"})
    assert fields_of(shown)["text"] == "As it was typed"


def test_a_form_that_would_be_too_long_to_be_sent_again_is_not_said_to_be_kept(app: Flask, api: Caller) -> None:
    nobody = caller(app, None)
    kept = nobody.post("/mailings/new/", data={"text": "Привет! " * 5000})
    assert "what you typed is kept" in kept.text
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=MOST))
    refused = nobody.post("/mailings/new/", data={"text": noise})
    assert refused.status_code == 401
    assert "what you typed is kept" not in refused.text
    assert 'name="kept"' not in refused.text


def test_a_page_about_an_error_shows_what_was_typed(browser: Caller) -> None:
    data = fields_of(browser.get("/clients/new/")) | NEW_CLIENT | {"tag": " "}
    answer = browser.post("/clients/77/edit/", data=data)
    assert answer.status_code == 404
    typed = answer.text.partition("What you typed")[2]
    assert re.findall("<dd[^>]*>([^<]*)</dd>", typed) == ["79161234567", "916", "UTC"]


def test_a_page_about_a_form_that_is_too_large_shows_nothing_of_it(browser: Caller) -> None:
    data = fields_of(browser.get("/clients/new/")) | NEW_CLIENT | {"tag": "x" * MAX_FORM}
    answer = browser.post("/clients/new/", data=data)
    assert (answer.status_code, answer.mimetype) == (413, "text/html")
    assert "What you typed" not in answer.text


@pytest.mark.parametrize("endpoint", few_of(FORMS, *SOME[:3]))
def test_a_form_that_is_sent_to_be_seen_otherwise_stays_as_it_is(
    api: Caller, connection: Connection, endpoint: str
) -> None:
    form: Prepared = FORMS[endpoint](api, connection)
    data, written = fill_in(api, form), Written(connection)
    shown = api.post(form.path, data=data | {"language": "ru", "theme": "dark"})
    cookies = " ".join(shown.headers.getlist("Set-Cookie"))
    assert "language=ru;" in cookies
    assert "theme=dark;" in cookies
    assert written() == 0
    if endpoint != "console.undo_mailing":
        assert shown.status_code == 200
        assert '<html lang="ru" data-bs-theme="dark">' in shown.text
        again = fields_of(shown)
        assert is_kept(data, again)
        # It is the same form still: what it has led to before, it leads to again.
        assert again["form_token"] == data["form_token"]


def test_a_search_that_is_sent_to_be_seen_otherwise_stays_as_it_is(api: Caller) -> None:
    answer = api.get("/clients/?phone=7900&tag=a%26b&language=ru")
    assert answer.headers["Location"] == "/clients/?phone=7900&tag=a%26b"
    assert "language=ru;" in answer.headers["Set-Cookie"]
    assert api.get("/clients/?language=xx").status_code == 400
    assert api.post("/clients/new/", data=NEW_CLIENT | {"theme": "pink"}).status_code == 400


def test_a_draft_that_is_switched_to_another_language_is_one_draft(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    data = fields_of(api.get("/mailings/new/")) | MAILING | {"then": "keep"}
    assert api.post("/mailings/new/", data=data).status_code == 302
    again = fields_of(api.post("/mailings/new/", data=data | {"language": "ru"}))
    assert api.post("/mailings/new/", data=data | again | {"text": "Changed"}).status_code == 302
    assert value(connection, "SELECT count(*) FROM mailing_draft") == 1
