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
from api.access import limits
from api.console.blueprint import ASSETS
from api.console.mailing_deeds import Deed
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from tests.factories import add_clients, add_running_mailing
from tests.integration.api.calls import Answer, Caller, add_mailing, caller

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
"""Those that each parameter is tried with alone: where others are wrong too, a page may get no further than these."""

ZONES = ("UTC", "Etc/GMT-14", "Etc/GMT%2B12", "%00", "../UTC")


class Noted(ImmutableMultiDict[str, str]):
    """Notes which parameters a page asks for."""

    asked: set[str] = set()

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(key)
        return super().get(key, *args, **kwargs)

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


class NotedRequest(Request):
    """A request whose query and form are noted."""

    parameter_storage_class = Noted


@pytest.fixture
def app(database_url: str) -> Flask:
    app = create_app(ApiSettings(database_url=parse_database_url(database_url), rate=0.0, anonymous_rate=0.0))
    app.request_class = NotedRequest
    return app


@pytest.fixture
def api(app: Flask, clean_database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A caller of the application, with a client, a mailing that waits, and one under way with an attempt."""
    monkeypatch.setattr(limits, "of_sign_ins", limits.Limits())
    monkeypatch.setattr(limits.of_sign_ins, "seconds_to_wait", lambda *_: 0.0)
    api = caller(app)
    add_clients(connection, 2)
    add_mailing(api)
    add_running_mailing(connection, 3)
    return api


def is_asset(rule: Rule) -> bool:
    return rule.endpoint in ASSETS


def pages(app: Flask, method: str) -> Iterator[tuple[Rule, str]]:
    """The pages that people open and forms that they send, with an address of each."""
    for rule in app.url_map.iter_rules():
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint in ("console", "sign_in") and method in (rule.methods or ()) and not is_asset(rule):
            path = re.sub("<any[^>]*>", Deed.PAUSE, rule.rule)
            yield rule, re.sub("<[^>]*>", "2" if "mailing_id" in rule.arguments else "1", path)


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


def fine(answer: Answer, what: object) -> None:
    assert answer.status_code < 500, what
    where = answer.headers.get("Location", "/")
    assert where.startswith("/"), what
    assert not urlsplit(where).netloc, what
    assert not where.startswith(("//", "/\\")), what


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_page_fails_whatever_its_parameters_are(app: Flask, api: Caller, method: str) -> None:
    tried = 0
    for rule, path in pages(app, method):
        names = [quote(name) for name in sorted(all_asked_by(api, path, method))]
        together = ["&".join(f"{name}={value}" for name in names) for value in HOSTILE]
        # Twice: whichever of the two a page takes.
        alone = [f"{name}={value}&{name}={value}" for name in names for value in ONE_OF_EACH]
        for given in together + alone:
            fine(send(api, path, method, given), (method, rule.endpoint, given[:200]))
            tried += 1
    assert tried > 300


def test_the_parameters_that_a_page_has_are_found(app: Flask, api: Caller) -> None:
    found = {rule.endpoint: all_asked_by(api, path, "GET") for rule, path in pages(app, "GET")}
    assert {"phone", "id", "mailing", "status", "since", "until", "zone", "from"} <= found["console.ledger"]
    assert {"words", "status", "from", "part"} <= found["console.mailings"]
    assert {"phone", "tag", "operator_code", "said", "from"} <= found["console.clients"]
    assert {"like", "mark"} <= found["console.new_mailing"]
    assert {"link", "next"} <= found["sign_in.page"]


@pytest.mark.parametrize("zone", ZONES)
def test_no_time_fails_in_any_zone(api: Caller, zone: str) -> None:
    for value in MOMENTS:
        for name in ("since", "until"):
            given = f"{name}={value}&zone={zone}"
            fine(send(api, "/ledger/", "GET", given), given)
        form = f"start_datetime={value}&end_datetime={value}&text=a&mark=vip&on_unknown=hold&zone={zone}"
        for path in ("/mailings/new/", "/mailings/1/edit/", "/mailings/plan/"):
            fine(send(api, path, "POST", form), (path, form))


def test_a_time_at_the_end_of_the_calendar_is_said_to_be_wrong(api: Caller) -> None:
    for value in ("0001-01-01T00:00", "9999-12-31T23:59"):
        page = api.get(f"/ledger/?since={value}&zone=Asia/Tokyo")
        assert page.status_code == 200
        assert 'name="since" type="datetime-local" value="' + value in page.text
        assert 'role="alert"' in page.text


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
    ("method", "path"), [("GET", "/"), ("GET", "/v1/client/1/"), ("PUT", "/v1/client/1/"), ("POST", "/login/")]
)
def test_no_header_makes_anything_fail(app: Flask, api: Caller, method: str, path: str) -> None:
    for name in HEADERS:
        for value in IN_HEADERS:
            for person in (api, caller(app, None)):
                answer = person.open(path, method=method, headers={name: value})
                assert answer.status_code < 500, (name, value)


def test_no_operation_of_the_api_fails_whatever_its_query_is(app: Flask, api: Caller) -> None:
    document = api.get("/docs/openapi.json").json
    tried = 0
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter.get("in") != "query":
                continue
            for value in HOSTILE:
                answer = api.get(re.sub("{[^}]*}", "1", path), query_string=f"{parameter['name']}={value}")
                assert answer.status_code in (200, 304, 404, 422, 400), (path, parameter["name"], value)
                tried += 1
    assert tried > 500


def test_no_id_in_a_path_fails(app: Flask, api: Caller) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.arguments or rule.endpoint.startswith("swagger_ui"):
            continue
        for value in TEXTS + NUMBERS:
            path = value.join(re.split("<[^>]*>", rule.rule))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                answer = api.open(path, method=method)
                answer.close()
                assert answer.status_code < 500, (method, path)
