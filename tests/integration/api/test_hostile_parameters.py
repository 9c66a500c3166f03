"""Whatever stands in a query, a path or a form: no page and no operation answers that it failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from flask import Flask, Request
from psycopg2.extensions import connection as Connection  # noqa: N812
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from api import create_app
from api.auth import rate_limiter
from api.console.blueprint import ASSETS
from api.console.mailing_actions import MailingAction
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from tests.factories import add_clients, add_running_mailing, execute
from tests.integration.api.calls import Answer, Caller, add_mailing, caller
from tests.integration.api.html_forms import fields_of, names_by_action
from tests.long_variations import few_of

TEXTS = (
    *("", "a%00b", "%ff", "%ed%a0%80", "x" * 3000, "%E2%80%AE%D9%85", "%25s%25n%25(x)d", "%7B0%7D%7B%7B7*7%7D%7D%25"),
    *("%27%22--;%5C", "a%0D%0ASet-Cookie:x", "//evil.example", "/%5Cevil.example", "https:evil.example"),
)
NUMBERS = ("-1", "1.5", "%C2%B2", str(2**63 - 1), str(2**63), "9" * 5000, "1" + "0" * 4200)
MOMENTS = (
    *("0001-01-01", "0001-01-01T00:00:00%2B14:00", "0000-00-00", "9998-12-31T23:59", "9999-12-31T23:59:59.999999"),
    *("9999-12-31T23:59:59-14:00", "10000-01-01T00:00", "2032-02-30T00:00", "2032-06-02T24:00"),
)
HOSTILE = TEXTS + NUMBERS + MOMENTS
"""Values as they stand in an address."""
ONE_OF_EACH = ("a%00b", "%ff", "-1", str(2**63), "9" * 5000, "0001-01-01T00:00", "9999-12-31T23:59", "//evil.example")
"""Those that each parameter is tried with alone, where others being wrong too would hide an error."""
VALUES = {"all": HOSTILE, "one of each": ONE_OF_EACH}

ZONES = ("UTC", "Etc/GMT-14", "Etc/GMT%2B12", "%00", "../UTC")


DRAFTS = {"console.review_draft": 1, "console.edit_draft": 2, "console.remove_draft": 3}
"""Which draft a page is tried with."""
DRAFT = {
    **{"text": "a", "mark": "vip", "on_unknown": "hold", "then": "keep"},
    **{"start_datetime": "2032-06-02T21:00", "end_datetime": "2032-06-03T21:00", "zone": "UTC"},
}


class Noted(ImmutableMultiDict[str, str]):
    """Notes which parameters a page asks for."""

    asked: set[str] = set()

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(key)
        return super().get(key, *args, **kwargs)

    def getlist(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(key)
        return super().getlist(key, *args, **kwargs)

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


class NotedRequest(Request):
    """A request whose query and form are noted."""

    parameter_storage_class = Noted


@pytest.fixture(scope="module")
def app(database_url: str) -> Flask:
    """The application, with no limit and requests that are noted."""
    app = create_app(ApiSettings(database_url=parse_database_url(database_url), rate=0.0, anonymous_rate=0.0))
    app.request_class = NotedRequest
    return app


@pytest.fixture
def api(app: Flask, clean_database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A caller of the application, with clients, a mailing that waits, one under way whose first message is unknown,
    and a draft for each page that needs one."""
    monkeypatch.setattr(rate_limiter, "by_sign_in_address", rate_limiter.RateLimiter())
    monkeypatch.setattr(rate_limiter.by_sign_in_address, "seconds_to_wait", lambda *_: 0.0)
    api = caller(app)
    add_clients(connection, 2)
    add_mailing(api)
    add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET status = 'unknown', ended_at = now() WHERE id = 1")
    for _ in DRAFTS:
        api.post("/mailings/new/", data=DRAFT)
    return api


def is_asset(rule: Rule) -> bool:
    return rule.endpoint in ASSETS


def pages(app: Flask, method: str) -> Iterator[tuple[Rule, str]]:
    """The pages that people open and forms that they send, with an address of each; what removes something last."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: "remove" in rule.endpoint):
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint in ("console", "sign_in") and method in (rule.methods or ()) and not is_asset(rule):
            path = re.sub("<any[^>]*>", MailingAction.PAUSE, rule.rule)
            number = DRAFTS.get(rule.endpoint, 2 if "mailing_id" in rule.arguments else 1)
            yield rule, re.sub("<[^>]*>", str(number), path)


def asked_by(api: Caller, path: str, method: str, given: dict[str, str]) -> set[str]:
    """The parameters that a page asks for, when these are given."""
    Noted.asked = set()
    send(api, path, method, urlencode(given))
    return set(Noted.asked)


def send(api: Caller, path: str, method: str, encoded: str) -> Answer:
    if method == "GET":
        return api.open(path, method="GET", query_string=encoded)
    return api.open(path, method=method, data=encoded, content_type="application/x-www-form-urlencoded")


def all_asked_by(api: Caller, path: str, method: str) -> set[str]:
    """Also what is asked for only when others are there: in a few rounds, until nothing new is."""
    known: set[str] = set()
    while more := asked_by(api, path, method, dict.fromkeys(known, "1")) - known:
        known |= more
    return known


def in_forms(app: Flask, api: Caller) -> dict[str, set[str]]:
    """What the forms of all pages send, by where they send it."""
    found: dict[str, set[str]] = {}
    for _, path in pages(app, "GET"):
        page = api.get(path)
        if page.mimetype == "text/html":
            for action, names in names_by_action(page):
                found.setdefault(action or path, set()).update(names)
    return found


def fine(answer: Answer, what: object) -> None:
    assert answer.status_code < 500, what
    where = answer.headers.get("Location", "/")
    assert where.startswith("/"), what
    assert not urlsplit(where).netloc, what
    assert not where.startswith(("//", "/\\")), what


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", few_of(["all together", "one of each together", "alone"], "one of each together"))
def test_no_page_fails_whatever_its_parameters_are(app: Flask, api: Caller, how: str, method: str) -> None:
    tried, of_forms = 0, in_forms(app, api) if method == "POST" else {}
    for rule, path in pages(app, method):
        names = [quote(name) for name in sorted(all_asked_by(api, path, method) | of_forms.get(path, set()))]
        if how.endswith("together"):
            values = VALUES[how.removesuffix(" together")]
            asked = ["&".join(f"{name}={value}" for name in names) for value in values]
        else:  # twice: whichever of the two a page takes
            asked = [f"{name}={value}&{name}={value}" for name in names for value in ONE_OF_EACH]
        for given in asked:
            fine(send(api, path, method, given), (method, rule.endpoint, given[:200]))
            tried += 1
    assert tried > 200


def test_the_parameters_that_a_page_has_are_found(app: Flask, api: Caller) -> None:
    found = {rule.endpoint: all_asked_by(api, path, "GET") for rule, path in pages(app, "GET")}
    assert {"phone", "id", "mailing", "status", "since", "until", "zone", "from"} <= found["console.ledger"]
    assert {"words", "status", "from", "part"} <= found["console.mailings"]
    assert {"phone", "tag", "operator_code", "from"} <= found["console.clients"]
    assert all("said" not in names for names in found.values())
    assert {"like", "mark"} <= found["console.new_mailing"]
    assert {"link", "next"} <= found["sign_in.page"]


def test_the_fields_that_a_form_has_are_found(app: Flask, api: Caller) -> None:
    found = in_forms(app, api)
    moments = {f"{name}{more}" for name in ("start_datetime", "end_datetime") for more in ("", "_was", "_shown")}
    for path in ("/mailings/new/", "/mailings/2/edit/", "/mailings/drafts/2/edit/"):
        assert {"text", "on_unknown", "zone", "form_token"} | moments <= found[path], path
    # The audience of a mailing that has been launched is not in its form.
    for path in ("/mailings/new/", "/mailings/drafts/2/edit/"):
        assert "mark" in found[path], path
    assert {"then", "preview"} <= found["/mailings/new/"]
    assert {"updated_at", "audience"} <= found["/mailings/drafts/1/"]
    assert "confirm" in all_asked_by(api, "/mailings/drafts/1/", "POST")
    assert "outcome" in found["/ledger/1/resolve/"]
    assert {"phone_number", "operator_code", "tag", "timezone"} <= found["/clients/1/edit/"]


def test_no_review_fails_whatever_it_is_confirmed_with(api: Caller) -> None:
    # The audience and the warnings are looked at once the rest of the form is right.
    shown = fields_of(api.get("/mailings/drafts/1/"))
    for name in ("audience", "confirm"):
        rest = urlencode({other: value for other, value in shown.items() if other not in (name, "form_token")})
        for value in HOSTILE if name == "audience" else ONE_OF_EACH:
            answer = send(api, "/mailings/drafts/1/", "POST", f"{rest}&{name}={value}")
            assert answer.status_code == 422, (name, value[:100])


@pytest.mark.parametrize("zone", few_of(ZONES, "Etc/GMT-14", "Etc/GMT%2B12"))
def test_no_time_fails_in_any_zone(api: Caller, zone: str) -> None:
    for value in MOMENTS:
        for name in ("since", "until"):
            given = f"{name}={value}&zone={zone}"
            fine(send(api, "/ledger/", "GET", given), given)
        form = f"start_datetime={value}&end_datetime={value}&text=a&mark=vip&on_unknown=hold&zone={zone}"
        for path in ("/mailings/new/", "/mailings/1/edit/", "/mailings/estimate/"):
            fine(send(api, path, "POST", form), (path, form))
        # What is no date is kept in a draft as it was typed, and shown again.
        kept = send(api, "/mailings/new/", "POST", f"{form}&then=keep")
        if draft := re.search(r"[0-9]+$", kept.headers.get("Location", "")):
            for page in ("", "edit/", "remove/"):
                fine(api.get(f"/mailings/drafts/{draft[0]}/{page}"), (page, form))
        fine(api.get("/mailings/"), form)


def test_a_time_at_the_end_of_the_calendar_is_an_error(api: Caller) -> None:
    for value in ("0001-01-01T00:00", "9999-12-31T23:59"):
        page = api.get(f"/ledger/?since={value}&zone=Asia/Tokyo")
        assert page.status_code == 200
        assert 'name="since" type="datetime-local" value="' + value in page.text
        assert 'role="alert"' in page.text


@pytest.mark.parametrize("path", ["/mailings/new/", "/mailings/1/edit/", "/mailings/drafts/2/edit/"])
def test_a_form_says_of_a_time_at_the_end_of_the_calendar_that_it_is_wrong(api: Caller, path: str) -> None:
    for value in ("0001-01-01T00:00", "9999-12-31T23:59"):
        form = {"text": "a", "mark": "vip", "start_datetime": value, "end_datetime": value, "zone": "Asia/Tokyo"}
        page = api.post(path, data=form)
        assert page.status_code in (409, 422)
        for name in ("start_datetime", "end_datetime"):
            assert f'id="{name}-error">The year must be from 2 to 9998.' in page.text
        assert page.text.count(f'value="{value}"') == 2


def test_a_search_with_a_nul_is_refused_with_a_page(api: Caller) -> None:
    for path in ("/clients/?tag=a%00", "/mailings/?words=%00", "/ledger/?id=%00", "/clients/?%00=1", "/?part=%00"):
        answer = api.get(path)
        assert (answer.status_code, answer.mimetype) == (400, "text/html"), path
        assert "NUL" in answer.text


@pytest.mark.parametrize("path", ["/clients/", "/ledger/", "/login/", "/preferences/", "/v1/client/", "/nowhere/", "/"])
def test_bytes_that_are_not_utf_8_are_no_failure(app: Flask, api: Caller, path: str) -> None:
    for person in (api, caller(app, None)):
        for raw in ("tag=\xff", "\xff=1", "next=/\xe9", "\xed\xa0\x80"):
            answer = person.get(path, environ_overrides={"QUERY_STRING": raw})
            fine(answer, (path, raw))
            assert answer.status_code != 200 or path in ("/login/",), (path, raw)


HEADERS = (
    *("If-Match", "If-None-Match", "Idempotency-Key", "Accept", "Accept-Language", "Cookie", "X-Request-Id"),
    *("Authorization", "X-CSRF-Token", "Origin", "Sec-Fetch-Site", "Content-Type"),
)
IN_HEADERS = ("", "\xff", '"', ",,,;=", "gonets=\xff; language=\xff", "Bearer \xff", "x" * 8000)


@pytest.mark.parametrize(
    ("method", "path"),
    few_of(
        [("GET", "/"), ("GET", "/clients/1/"), ("GET", "/v1/client/1/"), ("PUT", "/v1/client/1/"), ("POST", "/login/")],
        ("GET", "/clients/1/"),
        ("PUT", "/v1/client/1/"),
        ("POST", "/login/"),
    ),
)
def test_no_header_makes_anything_fail(app: Flask, api: Caller, method: str, path: str) -> None:
    for name in HEADERS:
        for value in IN_HEADERS:
            for person in (api, caller(app, None)):
                answer = person.open(path, method=method, headers={name: value})
                assert answer.status_code < 500, (name, value)


@pytest.mark.parametrize("values", few_of(VALUES, "one of each"))
def test_no_operation_of_the_api_fails_whatever_its_query_is(app: Flask, api: Caller, values: str) -> None:
    document = api.get("/docs/openapi.json").json
    tried = 0
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter.get("in") != "query":
                continue
            for value in VALUES[values]:
                answer = api.get(re.sub("{[^}]*}", "1", path), query_string=f"{parameter['name']}={value}")
                assert answer.status_code in (200, 304, 404, 422, 400), (path, parameter["name"], value)
                tried += 1
    assert tried > 200


@pytest.mark.parametrize("values", few_of(VALUES, "one of each"))
def test_no_id_in_a_path_fails(app: Flask, api: Caller, values: str) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.arguments or rule.endpoint.startswith("docs."):
            continue
        for value in VALUES[values]:
            path = value.join(re.split("<[^>]*>", rule.rule))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                answer = api.open(path, method=method)
                answer.close()
                assert answer.status_code < 500, (method, path)
