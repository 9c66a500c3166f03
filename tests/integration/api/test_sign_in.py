"""People: signing in by key, link and provider, what a cookie may do and what it may not, signing out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from joserfc.jwk import RSAKey
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.auth import credential_cache, oidc, rate_limiter
from api.auth.login_pages import AUDIT_LIMIT, MAX_FAILURES
from api.database_url import database_url as parse_database_url
from api.oidc_settings import ProviderSettings
from api.permissions import requires
from api.settings import ApiSettings
from shared.domain.roles import Role
from tests import factories
from tests.conftest import Connect
from tests.integration.api.calls import API_KEY, Answer, Caller, caller, client_body
from tests.integration.api.fake_clock import Clock
from tests.long_variations import few_of
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.raw_server import Peer, RawServer
from tests.waiting import PATIENCE, in_background

ORIGIN = "http://localhost"


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has tried anything yet."""
    monkeypatch.setattr(rate_limiter, "by_sign_in_address", rate_limiter.RateLimiter())


@pytest.fixture
def browser(app: Flask, api: Caller) -> Caller:
    """A browser that nobody is signed in with."""
    return caller(app, None)


def token_of(page: Answer) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(browser: Caller, key: str = API_KEY, **form: str) -> Answer:
    """Fills in the form and sends it."""
    token = token_of(browser.get("/login/"))
    return browser.post("/login/", data={"csrf_token": token, "key": key, **form}, headers={"Origin": ORIGIN})


def page_token(browser: Caller) -> str:
    return token_of(browser.get("/login/"))


def cookie_of(answer: Answer) -> SimpleCookie:
    cookie = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        cookie.load(header)
    return cookie


def role_key(api: Caller, role: str) -> str:
    key: str = api.post("/v1/key/create/", json={"name": f"a {role}", "role": role}).json["key"]
    return key


def last_entry(api: Caller, operation: str) -> dict[str, Any]:
    entry: dict[str, Any] = api.get(f"/v1/audit/?operation={operation}&limit=1000").json[-1]
    return entry


def test_a_key_signs_a_browser_in_and_its_role_holds(browser: Caller, api: Caller) -> None:
    answer = sign_in(browser, role_key(api, "viewer"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.get("/v1/client/").status_code == 200
    token = page_token(browser)
    refused = browser.post("/v1/client/create/", json=client_body(), headers={"X-CSRF-Token": token})
    assert refused.status_code == 403
    assert "operator" in refused.json["message"]
    assert "a viewer" in browser.get("/login/").text
    entry = last_entry(api, "signIn")
    assert (entry["actor_name"], entry["role"], entry["detail"]) == ("a viewer", "viewer", {"how": "key"})


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(app: Flask, api: Caller) -> None:
    for base, secure in (("http://localhost", ""), ("https://localhost", True)):
        browser = caller(app, None)
        token = token_of(browser.get("/login/", base_url=base))
        answer = browser.post("/login/", data={"csrf_token": token, "key": API_KEY}, base_url=base)
        cookie = cookie_of(answer)["gonets"]
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"], cookie["secure"]) == ("Lax", "/", secure)
        assert API_KEY not in cookie.value


def test_a_cookie_from_before_the_sign_in_is_invalid_after_it(app: Flask, browser: Caller) -> None:
    page = browser.get("/login/")
    planted, token = cookie_of(page)["gonets"].value, token_of(page)
    sign_in(browser)
    assert with_cookie(app, planted).get("/v1/client/").status_code == 401
    answer = browser.post("/v1/client/create/", json=client_body(), headers={"X-CSRF-Token": token})
    assert answer.status_code == 403


def with_cookie(app: Flask, value: str) -> Caller:
    client = app.test_client()
    client.set_cookie("gonets", value)
    return client  # type: ignore[return-value]


@pytest.mark.parametrize("header", ["gonets={}", "other=1; gonets={}", "other=1;gonets={};", "other; gonets={}"])
def test_a_session_is_found_among_other_cookies(app: Flask, browser: Caller, header: str) -> None:
    value = cookie_of(sign_in(browser))["gonets"].value
    answer = app.test_client(use_cookies=False).get("/v1/client/", headers={"Cookie": header.format(value)})
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["", "other=1", "gonets", "gonets=", ";", "=gonets"])
def test_without_its_cookie_there_is_no_session(app: Flask, header: str) -> None:
    answer = app.test_client(use_cookies=False).get("/v1/client/", headers={"Cookie": header})
    assert answer.status_code == 401


def test_a_cookie_that_was_tampered_with_is_none(app: Flask, browser: Caller) -> None:
    value = cookie_of(sign_in(browser))["gonets"].value
    assert with_cookie(app, value).get("/v1/client/").status_code == 200
    payload, when, signature = value.split(".")
    others = [
        payload,
        f"{payload}.{when}.",
        f"{payload[:-2]}AA.{when}.{signature}",
        f"{payload}.{when}.{signature[::-1]}",
        f"{payload}.AAAAAA.{signature}",
        "e30.AAAAAA.x",
        "",
        "\xff",
    ]
    for other in others:
        assert with_cookie(app, other).get("/v1/client/").status_code == 401, other


def test_a_cookie_that_another_secret_signed_is_none_and_every_process_has_the_same_one(
    app: Flask, browser: Caller, clean_database: str
) -> None:
    value = cookie_of(sign_in(browser))["gonets"].value
    url = parse_database_url(clean_database)
    beside = create_app(ApiSettings(database_url=url, api_key=API_KEY))
    other = create_app(ApiSettings(database_url=url, api_key=API_KEY, secret_key="another secret of the environment"))
    assert with_cookie(beside, value).get("/v1/client/").status_code == 200
    assert with_cookie(other, value).get("/v1/client/").status_code == 401


def test_a_cookie_writes_only_with_the_pages_token_and_from_the_same_origin(browser: Caller) -> None:
    sign_in(browser)

    def write(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return browser.post("/v1/client/create/", json=client_body(), headers=named).status_code

    assert write() == 403  # no page has been rendered yet, so there is no token either
    good = page_token(browser)
    assert write() == 403
    assert write(X_CSRF_Token="") == 403
    assert write(X_CSRF_Token=good[::-1]) == 403
    assert write(X_CSRF_Token=good, Origin="https://evil.example") == 403
    assert write(X_CSRF_Token=good, Origin=f"{ORIGIN}:8080") == 403
    assert write(X_CSRF_Token=good, Origin="") == write(X_CSRF_Token=good, Origin="null") == 403
    assert write(X_CSRF_Token=good, Sec_Fetch_Site="cross-site", Origin=ORIGIN) == 403
    assert write(X_CSRF_Token=good, Sec_Fetch_Site="same-site") == 403
    assert write(X_CSRF_Token=good, Origin=ORIGIN) == 201
    assert browser.delete("/v1/client/1/").status_code == 403
    assert browser.delete("/v1/client/1/", headers={"X-CSRF-Token": good}).status_code == 204


def test_a_key_in_the_header_needs_no_token_and_no_origin_and_counts_before_a_cookie(
    browser: Caller, api: Caller
) -> None:
    assert (
        api.post("/v1/client/create/", json=client_body(), headers={"Origin": "https://else.example"}).status_code
        == 201
    )
    sign_in(browser)
    assert browser.get("/v1/client/", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_signing_out_ends_every_copy_of_the_cookie(
    app: Flask, browser: Caller, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = with_cookie(app, cookie_of(sign_in(browser))["gonets"].value)
    assert copied.get("/v1/client/").status_code == 200
    assert copied.get("/?part=live").status_code == 200
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/").status_code == 403
    answer = browser.post("/logout/", data={"csrf_token": page_token(browser)})
    assert answer.headers["Location"] == "/login/"
    assert browser.get("/v1/client/").status_code == 401
    assert copied.get("/v1/client/").status_code == 401
    assert copied.get("/?part=live").status_code == 401
    assert last_entry(api, "signOut")["actor_name"] == "API_KEY"


def test_a_session_ends_with_its_key_and_after_its_time(
    browser: Caller, api: Caller, connection: Connection, clock: Clock
) -> None:
    sign_in(browser, role_key(api, "viewer"))
    assert browser.get("/v1/client/").status_code == 200
    factories.execute(connection, "UPDATE api_key SET revoked_at = now()")
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    assert browser.get("/v1/client/").status_code == 401
    sign_in(browser)
    assert browser.get("/v1/client/").status_code == 200
    lifetime = factories.value(connection, "SELECT max(expires_at) - now() FROM browser_session")
    assert 11.9 < lifetime.total_seconds() / 3600 <= 12
    factories.execute(connection, "UPDATE browser_session SET expires_at = now()")
    for _ in range(2):  # the first request does not extend it
        clock.pass_seconds(credential_cache.TTL_SECONDS)
        assert browser.get("/v1/client/").status_code == 401


def test_a_session_is_not_cached_beyond_its_expiry(browser: Caller, connection: Connection, clock: Clock) -> None:
    sign_in(browser)
    left = credential_cache.TTL_SECONDS - 0.1
    factories.execute(connection, "UPDATE browser_session SET expires_at = now() + %s * interval '1 second'", left)
    assert browser.get("/?part=live").status_code == 200
    factories.execute(connection, "UPDATE browser_session SET expires_at = now()")
    clock.pass_seconds(left)
    assert browser.get("/?part=live").status_code == 401


def test_a_sign_in_removes_expired_sessions_and_does_not_wait_for_a_locked_one(
    app: Flask, browser: Caller, connection: Connection, connect: Connect
) -> None:
    for _ in range(3):
        sign_in(caller(app, None))
    factories.execute(connection, "UPDATE browser_session SET actor = 'over', expires_at = now()")
    locking = connect()
    locking.autocommit = False
    factories.execute(locking, "SELECT FROM browser_session WHERE actor = 'over' LIMIT 1 FOR UPDATE")
    in_background(lambda: sign_in(browser)).result(PATIENCE)
    locking.rollback()
    assert [actor.partition(":")[0] for actor in sessions(connection)] == ["over", "environment"]
    sign_in(caller(app, None))
    assert [actor.partition(":")[0] for actor in sessions(connection)] == ["environment", "environment"]


def test_another_api_key_in_the_environment_ends_the_sessions_of_the_old_one(
    browser: Caller, clean_database: str
) -> None:
    value = cookie_of(sign_in(browser))["gonets"].value
    settings = ApiSettings(database_url=parse_database_url(clean_database), api_key="another-key-of-an-admin")
    assert with_cookie(create_app(settings), value).get("/v1/client/").status_code == 401


def test_sign_ins_that_fail_are_written_down_and_limited_by_address(browser: Caller, api: Caller, clock: Clock) -> None:
    wrong = f"gonets_{12 * 'a'}_{64 * 'b'}"
    statuses = [sign_in(browser, wrong).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    tired = sign_in(browser)
    assert (tired.status_code, tired.headers["Retry-After"]) == (429, "6")
    entry = last_entry(api, "signInFailed")
    assert (entry["actor"], entry["detail"]) == ("nobody", {"how": "key", "key": 12 * "a"})
    assert wrong not in api.get("/v1/audit/?limit=1000").text
    elsewhere = browser.get("/login/", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    data = {"csrf_token": token_of(elsewhere), "key": API_KEY}
    assert browser.post("/login/", data=data, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 303
    clock.pass_seconds(5.5)
    assert sign_in(browser, wrong).status_code == 429
    clock.pass_seconds(0.5)
    assert [sign_in(browser, wrong).status_code for _ in range(2)] == [401, 429]


def test_the_form_is_ours_or_it_is_shown_again(browser: Caller) -> None:
    answer = browser.post("/login/", data={"key": API_KEY})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert browser.get("/v1/client/").status_code == 401


@pytest.mark.parametrize(
    ("following", "leads_to"),
    [
        ("/v1/client/?limit=1", "/v1/client/?limit=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_sign_in_leads_nowhere_but_here(browser: Caller, following: str, leads_to: str) -> None:
    assert sign_in(browser, next=following).headers["Location"] == leads_to


def test_a_link_signs_in_once(app: Flask, api: Caller, browser: Caller, connection: Connection) -> None:
    link, other = (add_link(one) for one in (api, caller(app, role_key(api, "viewer"))))
    assert browser.head(link).status_code == 200
    assert browser.get(link, headers={"Sec-Purpose": "prefetch"}).status_code == 200
    assert browser.get("/v1/client/").status_code == 401
    assert browser.get(link).status_code == 303
    assert browser.get("/v1/client/").status_code == 200
    assert "API_KEY" in browser.get("/login/").text
    assert caller(app, None).get(link).status_code == 401
    assert caller(app, None).get(other).status_code == 303


def add_link(maker: Caller) -> str:
    path: str = maker.post("/v1/sign-in-link/create/").json["path"]
    return path


def test_a_link_works_for_ten_minutes_and_is_removed_after_them(
    app: Flask, api: Caller, browser: Caller, connection: Connection
) -> None:
    viewer = caller(app, role_key(api, "viewer"))
    late = add_link(viewer)
    lifetime = factories.value(connection, "SELECT expires_at - now() FROM sign_in_link")
    assert 9.9 < lifetime.total_seconds() / 60 <= 10
    factories.execute(connection, "UPDATE sign_in_link SET expires_at = now()")
    assert browser.get(late).status_code == 401
    sign_in(browser)
    assert browser.get(late).status_code == 401  # it is not offered either
    assert factories.value(connection, "SELECT count(*) FROM sign_in_link") == 1
    for _ in range(2):
        add_link(viewer)
    assert factories.value(connection, "SELECT count(*) FROM sign_in_link") == 2


def test_a_link_of_a_revoked_key_signs_nobody_in_and_is_not_offered(
    app: Flask, api: Caller, browser: Caller, connection: Connection
) -> None:
    viewer = caller(app, role_key(api, "viewer"))
    links = [add_link(viewer) for _ in range(2)]
    factories.execute(connection, "UPDATE api_key SET revoked_at = now()")
    assert browser.get(links[0]).status_code == 401
    sign_in(browser)
    assert browser.get(links[1]).status_code == 401
    assert browser.get("/v1/key/").status_code == 200


def sessions(connection: Connection) -> list[str]:
    return [actor for (actor,) in factories.rows(connection, "SELECT actor FROM browser_session ORDER BY expires_at")]


def test_a_link_asks_before_it_replaces_who_is_signed_in(
    app: Flask, api: Caller, browser: Caller, connection: Connection
) -> None:
    old = with_cookie(app, cookie_of(sign_in(browser, role_key(api, "operator")))["gonets"].value)
    assert old.get("/v1/client/").status_code == 200
    link = caller(app, role_key(api, "viewer")).post("/v1/sign-in-link/create/").json["path"]
    page = browser.get(f"{link}&next=/clients/")
    assert page.status_code == 200
    words = re.sub(r"</?bdi[^>]*>", "", page.text)
    assert "Sign in as a viewer instead?" in words
    assert "Stay signed in as a operator" in words
    before = sessions(connection)
    data = {"link": link.partition("link=")[2], "next": "/clients/"}
    assert browser.post("/login/", data=data).status_code == 403  # another site can't confirm
    assert sessions(connection) == before
    answer = browser.post("/login/", data=data | {"csrf_token": token_of(page)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/clients/")
    entry = last_entry(api, "signIn")
    assert (entry["actor_name"], entry["detail"]) == ("a viewer", {"how": "link", "replaced": before[0]})
    assert sessions(connection) == [entry["actor"]]
    assert old.get("/v1/client/").status_code == 401
    assert browser.post("/login/", data=data | {"csrf_token": page_token(browser)}).status_code == 401


def test_a_link_of_the_same_person_asks_nothing_and_leaves_one_session(
    app: Flask, api: Caller, browser: Caller, connection: Connection
) -> None:
    old = with_cookie(app, cookie_of(sign_in(browser))["gonets"].value)
    assert browser.get(api.post("/v1/sign-in-link/create/").json["path"]).status_code == 303
    assert len(sessions(connection)) == 1
    assert old.get("/v1/client/").status_code == 401


def test_a_key_or_a_provider_ends_the_session_that_the_browser_had(
    clean_database: str, provider: OpenIdProvider, connection: Connection
) -> None:
    browser = with_provider(clean_database, provider)
    by_key = cookie_of(sign_in(browser))["gonets"].value
    assert browser.get("/v1/key/").status_code == 200
    by_provider = cookie_of(through_provider(browser))["gonets"].value
    assert sessions(connection) == ["oidc:248289761001"]
    sign_in(browser)
    assert len(sessions(connection)) == 1
    for old in (by_key, by_provider):
        browser.set_cookie("gonets", old)  # type: ignore[attr-defined]
        assert browser.get("/v1/client/").status_code == 401


def test_a_key_that_only_begins_like_one_of_ours_writes_nothing(
    app: Flask, api: Caller, connection: Connection
) -> None:
    key = role_key(api, "viewer")
    wrong = key[:-64] + 64 * "0"
    used = "SELECT count(*) FROM api_key WHERE last_used_at IS NOT NULL"
    assert caller(app, wrong).get("/v1/client/").status_code == 401
    assert sign_in(caller(app, None), wrong).status_code == 401
    assert factories.value(connection, used) == 0
    assert caller(app, key).get("/v1/client/").status_code == 200
    assert factories.value(connection, used) == 1


def entries_of(connection: Connection, after: int) -> int:
    return int(factories.value(connection, "SELECT count(*) FROM audit_entry WHERE id > %s", after))


def last_id(connection: Connection) -> int:
    return int(factories.value(connection, "SELECT coalesce(max(id), 0) FROM audit_entry"))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("path", ["/login/?link=x", "/login/provider/back/?state=x&code=y", "/login/provider/", "key"])
def test_whatever_fails_to_sign_in_is_limited_by_address(
    clean_database: str, connection: Connection, path: str
) -> None:
    # The provider is away: each way in fails.
    browser = caller(application(clean_database, "http://127.0.0.1:9"), None)
    after = last_id(connection)
    token, data = page_token(browser), {"key": "x"}

    def fail(number: int) -> int:
        address = {"REMOTE_ADDR": f"2001:db8::{number:x}"}  # all of one network
        if path == "key":
            return browser.post("/login/", data=data | {"csrf_token": token}, environ_base=address).status_code
        return browser.get(path, environ_base=address).status_code

    statuses = [fail(number) for number in range(40)]
    failed = statuses.count(401)
    assert set(statuses) == {401, 429}
    assert failed == MAX_FAILURES
    assert entries_of(connection, after) == failed


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "path",
    few_of(["/login/?link=x", "/login/provider/back/?state=x&code=y"], "/login/provider/back/?state=x&code=y"),
)
def test_from_however_many_addresses_only_so_many_failures_are_written_down(
    clean_database: str, connection: Connection, provider: OpenIdProvider, path: str
) -> None:
    browser = with_provider(clean_database, provider)
    after = last_id(connection)
    for number in range(300):
        assert browser.get(path, environ_base={"REMOTE_ADDR": f"2001:db8:0:{number:x}::1"}).status_code == 401
    assert entries_of(connection, after) == AUDIT_LIMIT[-1]


def written(connection: Connection) -> list[object]:
    names = ("idempotency_key", "browser_session", "sign_in_link", "api_key", "client", "mailing", "audit_entry")
    return [factories.value(connection, f"SELECT max(xmin::text::bigint) FROM {name}") for name in names]  # noqa: S608


def test_whoever_is_not_signed_in_writes_nothing_else(
    clean_database: str, connection: Connection, provider: OpenIdProvider
) -> None:
    browser = with_provider(clean_database, provider)
    before = written(connection)
    for rule in with_provider(clean_database, provider).application.url_map.iter_rules():  # type: ignore[attr-defined]
        if rule.endpoint == "sign_in.from_provider":
            continue  # a sign-in that fails: limited, see above
        path = re.sub("<[^>]*>", "1", re.sub("<any[^>]*>", "pause", rule.rule))
        for method in sorted(rule.methods or ()):
            browser.open(path, method=method, headers={"Idempotency-Key": "x"}, json={}).close()
    assert written(connection) == before


def test_a_link_gives_no_more_than_its_makers_role(app: Flask, api: Caller, browser: Caller) -> None:
    browser.get(caller(app, role_key(api, "viewer")).post("/v1/sign-in-link/create/").json["path"])
    assert browser.get("/v1/client/").status_code == 200
    assert browser.get("/v1/key/").status_code == 403


def test_a_page_that_needs_a_sign_in_sends_there_and_back(clean_database: str) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(clean_database), api_key=API_KEY))
    app.add_url_rule("/page/", "page", requires(Role.VIEWER)(lambda: "secret"))
    browser = caller(app, None)
    sent = browser.get("/page/?a=1")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login/?next=/page/?a%3D1")
    assert browser.get("/page/").headers["Location"] == "/login/?next=/page/"
    sign_in(browser, next="/page/?a=1")
    assert browser.get("/page/").text == "secret"


def test_without_its_database_a_cookie_is_no_bug(browser: Caller, clean_database: str) -> None:
    value = cookie_of(sign_in(browser))["gonets"].value
    url = parse_database_url(clean_database).set(database="nowhere")
    away = create_app(ApiSettings(database_url=url, api_key=API_KEY))
    assert with_cookie(away, value).get("/v1/client/").status_code == 503
    assert caller(away).get("/healthz").status_code == 200


@pytest.fixture(scope="module")
def running_provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: OpenIdProvider) -> OpenIdProvider:
    """A provider that is honest."""
    running_provider.claims = {"sub": "248289761001", "name": "Jane Doe", "roles": ["operator"]}
    running_provider.cheat, running_provider.userinfo, running_provider.refusal = {}, {}, None
    running_provider.signing_key = running_provider._key
    return running_provider


def new_application(url: str, issuer: str, **more: Any) -> Flask:
    """An application with that provider."""
    settings = ProviderSettings(issuer=issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **more)
    return create_app(ApiSettings(database_url=parse_database_url(url), api_key=API_KEY, provider=settings))


application = cache(new_application)
"""One that may have been asked before: a new one takes longer than a test."""


def with_provider(url: str, provider: OpenIdProvider) -> Caller:
    """A browser at an application with that provider."""
    return caller(application(url, provider.issuer), None)


def through_provider(browser: Caller, following: str = "/v1/client/") -> Answer:
    """Goes to the provider and comes back from it."""
    there = browser.get(f"/login/provider/?next={following}").headers["Location"]
    with requests.Session() as http:
        http.trust_env = False
        back = http.get(there, allow_redirects=False, timeout=10).headers["Location"]
    assert back.startswith("http://localhost/login/provider/back/")
    return browser.get(f"{urlsplit(back).path}?{urlsplit(back).query}")


def test_a_provider_signs_in_whom_it_gives_a_role(clean_database: str, api: Caller, provider: OpenIdProvider) -> None:
    provider.userinfo = {"roles": ["admin"]}  # not asked for: the token has a role
    browser = with_provider(clean_database, provider)
    assert "/login/provider/" in browser.get("/login/").text
    answer = through_provider(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/v1/client/")
    token = page_token(browser)
    assert browser.post("/v1/client/create/", json=client_body(), headers={"X-CSRF-Token": token}).status_code == 201
    assert browser.get("/v1/key/").status_code == 403
    entry = last_entry(api, "createClient")
    assert (entry["actor"], entry["actor_name"], entry["role"]) == ("oidc:248289761001", "Jane Doe", "operator")
    assert through_provider(browser, "//evil.example/").headers["Location"] == "/"


def test_a_user_of_the_provider_is_signed_out_soon_after_the_session_is_deleted(
    clean_database: str, provider: OpenIdProvider, connection: Connection, clock: Clock
) -> None:
    browser = with_provider(clean_database, provider)
    through_provider(browser)
    assert browser.get("/v1/client/").status_code == 200
    factories.execute(connection, "DELETE FROM browser_session WHERE actor = 'oidc:248289761001'")
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    assert browser.get("/v1/client/").status_code == 401


@pytest.mark.parametrize(
    ("claims", "options", "role"),
    [
        ({"roles": "admin"}, {}, 200),
        ({"roles": ["viewer", "admin"]}, {}, 200),
        ({"roles": ["viewer"]}, {}, 403),
        ({"realm_access": {"roles": ["admin"]}}, {"role_claim": "realm_access.roles"}, 200),
        ({"https://example.org/groups": ["ops"]}, {"role_claim": "https://example.org/groups"}, 200),
        ({"groups": ["staff", "ops"]}, {"role_claim": "groups"}, 200),
        ({"groups": ["staff"]}, {"role_claim": "groups"}, 403),
    ],
)
def test_the_strongest_role_of_the_claim_counts(
    clean_database: str, provider: OpenIdProvider, claims: dict[str, Any], options: dict[str, Any], role: int
) -> None:
    provider.claims = {"sub": "1", **claims}
    words = {"ops": Role.ADMIN, "staff": Role.VIEWER}
    given = words if any(name.endswith("groups") for name in claims) else {role.value: role for role in Role}
    browser = caller(new_application(clean_database, provider.issuer, roles=given, **options), None)
    assert through_provider(browser).status_code == 303
    assert browser.get("/v1/key/").status_code == role


def test_role_and_address_may_come_with_the_userinfo(
    clean_database: str, api: Caller, provider: OpenIdProvider
) -> None:
    provider.claims = {"sub": "1", "roles": []}
    provider.userinfo = {"roles": ["admin"], "email": "jane@example.org"}
    browser = with_provider(clean_database, provider)
    assert through_provider(browser).status_code == 303
    assert browser.get("/v1/key/").status_code == 200
    assert last_entry(api, "signIn")["actor_name"] == "jane@example.org"


def test_the_provider_is_reached_directly_whatever_proxy_the_environment_names(
    clean_database: str, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    browser = caller(new_application(clean_database, provider.issuer), None)  # has not reached it before
    assert through_provider(browser).status_code == 303


@pytest.mark.parametrize(
    "cheat",
    [
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": "another client", "azp": CLIENT_ID},
        {"nonce": "another"},
        {"exp": 1},
        {"key": "another"},
        {"id_token": "left out"},
        {"roles": []},
        {"roles": ["owner"]},
        {"roles": 7},
        {"roles": [["admin"]]},
        {"userinfo": "of somebody else", "roles": []},
        {"refusal": "access_denied"},
    ],
    ids=str,
)
def test_a_sign_in_that_the_provider_can_not_prove_is_refused(
    clean_database: str, api: Caller, provider: OpenIdProvider, cheat: dict[str, Any]
) -> None:
    if "key" in cheat:
        provider.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
    elif "refusal" in cheat:
        provider.refusal = cheat["refusal"]
    elif "userinfo" in cheat:
        provider.claims["roles"] = []
        provider.userinfo = {"sub": "2", "roles": ["admin"]}
    else:
        provider.cheat = cheat
    browser = with_provider(clean_database, provider)
    answer = through_provider(browser)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert browser.get("/v1/client/").status_code == 401
    assert last_entry(api, "signInFailed")["detail"] == {"how": "provider"}


def test_an_answer_that_was_not_asked_for_in_this_browser_is_refused(
    clean_database: str, provider: OpenIdProvider
) -> None:
    one, other = with_provider(clean_database, provider), with_provider(clean_database, provider)
    there = one.get("/login/provider/").headers["Location"]
    back = urlsplit(requests.get(there, allow_redirects=False, timeout=10).headers["Location"])
    assert other.get(f"{back.path}?{back.query}").status_code == 401


def test_a_provider_that_is_away_is_said_and_keys_still_open(clean_database: str, provider: OpenIdProvider) -> None:
    browser = caller(application(clean_database, "http://127.0.0.1:9"), None)
    answer = browser.get("/login/provider/")
    assert answer.status_code == 401
    assert "did not respond" in answer.text
    assert sign_in(browser).status_code == 303


def test_a_provider_that_does_not_answer_is_not_waited_for_indefinitely(
    clean_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_silent(peer: Peer) -> None:
        peer.closing.wait(PATIENCE)

    monkeypatch.setattr(oidc, "TIMEOUT", 0.1)
    with RawServer(keep_silent) as silent:
        browser = caller(new_application(clean_database, silent.url), None)
        answer = in_background(lambda: browser.get("/login/provider/")).result(PATIENCE / 2)
    assert answer.status_code == 401


def test_without_a_provider_there_is_no_way_to_one(browser: Caller) -> None:
    assert "provider" not in browser.get("/login/").text
    assert browser.get("/login/provider/").status_code == 404
