"""Who gets in: every route as nobody, as each role, with keys that are wrong, over or revoked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from werkzeug.routing import Rule

from api import create_app
from api.auth import credential_cache, rate_limiter
from api.auth.api_key_format import make_key
from api.auth.bootstrap_key import show_bootstrap_key
from api.database_url import database_url as parse_database_url
from api.permissions import SAFE_METHODS
from api.settings import ApiSettings
from shared.domain.roles import Role
from tests import factories
from tests.integration.api.calls import API_KEY, Answer, Caller, caller, client_body
from tests.integration.api.fake_clock import Clock
from tests.route_roles import ROLES, listed_path

OPEN = re.compile(r"/(docs|healthz|readyz|metrics|login|logout|opt-out|static|preferences)\b")
CALLBACKS = re.compile(r"/v1/(receipt|inbound)/")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked anything yet."""
    for table in ("by_principal", "by_address", "by_sign_in_address", "by_callback_address", "by_opt_out_address"):
        monkeypatch.setattr(rate_limiter, table, rate_limiter.RateLimiter())


def add_key(api: Caller, role: str = "viewer", **more: object) -> str:
    answer = api.post("/v1/key/create/", json={"name": "a test", "role": role, **more})
    assert answer.status_code == 201, answer.text
    key: str = answer.json["key"]
    return key


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Every method that is tried on every path that there is."""
    for rule in app.url_map.iter_rules():
        for method in METHODS:
            yield method, path_of(rule)


def path_of(rule: Rule) -> str:
    # No such row: what a call may do, it is not to do to the keys of the test.
    return re.sub(r"<[^>]*>", "2147483647", re.sub(r"<any\('(\w+)'[^>]*>", r"\1", rule.rule))


def test_nothing_but_docs_health_and_the_sign_in_is_open_without_a_key(
    app: Flask, clean_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There are more calls than may come at once from one address.
    monkeypatch.setattr(app.extensions["authenticator"], "_anonymous_rate", 0.0)
    nobody = caller(app, None)
    for method, path in routes(app):
        answer = nobody.open(path, method=method)
        if CALLBACKS.match(path) and method in ("GET", "POST"):
            assert answer.status_code == 404
        elif CALLBACKS.match(path) and method in ("HEAD", "OPTIONS"):
            assert answer.status_code in (401, 405)
        elif OPEN.match(path) or (answer.status_code == 405 and not path.startswith("/v1/")):
            assert answer.status_code != 401, (method, path)
            assert not answer.headers.get("Location", "").startswith("/login/?next="), (method, path)
        elif method in SAFE_METHODS and not path.startswith("/v1/"):
            assert answer.headers["Location"].startswith("/login/?next=/"), (method, path)
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer realm=gonets"
        answer.close()


def test_a_viewer_reads_an_operator_writes_and_only_an_admin_sees_keys_and_audit(app: Flask, api: Caller) -> None:
    callers = {role: caller(app, add_key(api, role)) for role in Role}
    for rule in app.url_map.iter_rules():
        if OPEN.match(rule.rule) or CALLBACKS.match(rule.rule):
            continue
        for method in rule.methods or ():
            needed = Role(ROLES["GET" if method == "HEAD" else method, listed_path(rule)])
            for role, one in callers.items():
                answer = one.open(path_of(rule), method=method)
                assert (answer.status_code == 403) == (not role.covers(needed)), (method, rule.rule, role)
                if answer.status_code == 403 and method != "HEAD" and answer.mimetype == "application/json":
                    assert answer.json["message"] == f"This needs the role {needed}, and yours is {role}."


def test_a_refusal_changes_nothing(app: Flask, api: Caller, connection: Connection) -> None:
    viewer = caller(app, add_key(api))
    assert viewer.post("/v1/client/create/", json=client_body()).status_code == 403
    assert factories.value(connection, "SELECT count(*) FROM client") == 0


def test_what_there_is_not_is_401_to_nobody_and_404_to_who_has_a_key(app: Flask, api: Caller) -> None:
    viewer, nobody = caller(app, add_key(api)), caller(app, None)
    assert nobody.get("/v1/nothing/").status_code == 401
    assert viewer.get("/v1/nothing/").status_code == 404
    assert viewer.open("/v1/client/", method="PATCH").status_code == 405
    assert nobody.get("/nothing/").status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {API_KEY}",
        API_KEY,
        f"Bearer {API_KEY}x",
        f"Bearer {API_KEY.upper()}",
        f"Bearer {API_KEY}, Bearer {API_KEY}",
        f"Bearer gonets_{12 * 'a'}_{64 * 'b'}",
        "Bearer gonets_000000000000_' OR 1=1 --",
        "Bearer \xff",
    ],
)
def test_an_unknown_key_is_refused(app: Flask, api: Caller, sent: str) -> None:
    for path in ("/v1/client/", "/clients/"):  # a page too: whoever sends a key is no browser to be sent to sign in
        answer = caller(app, None).get(path, headers={"Authorization": sent})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer realm=gonets, error=invalid_token"
        assert "wrong" not in answer.text


@pytest.mark.parametrize("sent", [f"bearer {API_KEY}", f"BEARER  {API_KEY}"])
def test_the_scheme_is_read_in_any_case_with_any_blanks_after_it(app: Flask, api: Caller, sent: str) -> None:
    assert caller(app, None).get("/v1/client/", headers={"Authorization": sent}).status_code == 200


def test_another_secret_with_a_known_prefix_is_refused(app: Flask, api: Caller) -> None:
    key = add_key(api)
    assert caller(app, key).get("/v1/client/").status_code == 200
    forged = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert caller(app, forged).get("/v1/client/").status_code == 401


def test_a_key_is_shown_once_and_kept_as_its_hash(api: Caller, connection: Connection) -> None:
    key = add_key(api, "operator")
    listed = api.get("/v1/key/").json
    assert [(one["prefix"], one["role"], one["created_by"]) for one in listed] == [
        (key.split("_")[1], "operator", listed[0]["created_by"])
    ]
    assert listed[0]["created_by"].startswith("environment:")
    secret = key.split("_")[2]
    for table in ("api_key", "audit_entry", "idempotency_key"):
        for row in factories.rows(connection, f"SELECT * FROM {table}"):  # noqa: S608
            assert secret not in str(row)
    assert "key" not in listed[0]


def test_a_key_made_twice_with_an_idempotency_key_is_two_keys_and_neither_is_kept(
    api: Caller, connection: Connection
) -> None:
    headers = {"Idempotency-Key": "1"}
    made = [api.post("/v1/key/create/", json={"name": "a", "role": "viewer"}, headers=headers) for _ in range(2)]
    assert made[0].json["key"] != made[1].json["key"]
    assert factories.value(connection, "SELECT count(*) FROM idempotency_key") == 0


def test_a_revoked_key_is_refused_within_seconds(app: Flask, api: Caller, clock: Clock) -> None:
    owner = caller(app, add_key(api))
    assert owner.get("/v1/client/").status_code == 200
    assert api.delete("/v1/key/1/").status_code == 204
    revoked_at = api.get("/v1/key/1/").json["revoked_at"]
    # It is remembered for so long, and not a moment longer.
    assert credential_cache.TTL_SECONDS <= 5
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    assert owner.get("/v1/client/").status_code == 401
    assert api.delete("/v1/key/1/").status_code == 204
    assert api.get("/v1/key/1/").json["revoked_at"] == revoked_at
    assert api.delete("/v1/key/2/").status_code == 404


def test_a_key_that_expires_is_of_no_use_from_that_moment(app: Flask, api: Caller) -> None:
    over, lasting = add_key(api, expires_at="2022-06-02T18:25:43Z"), add_key(api, expires_at="2132-06-02T18:25:43Z")
    assert caller(app, over).get("/v1/client/").status_code == 401
    assert caller(app, lasting).get("/v1/client/").status_code == 200


def test_a_key_is_not_remembered_beyond_the_moment_at_which_it_expires(
    app: Flask, api: Caller, connection: Connection, clock: Clock
) -> None:
    owner = caller(app, add_key(api))
    left = credential_cache.TTL_SECONDS - 0.1
    factories.execute(connection, "UPDATE api_key SET expires_at = now() + %s * interval '1 second'", left)
    assert owner.get("/v1/client/").status_code == 200
    factories.execute(connection, "UPDATE api_key SET expires_at = now()")
    clock.pass_seconds(left)
    assert owner.get("/v1/client/").status_code == 401


def test_requests_pay_no_query_each_for_their_key(
    app: Flask, api: Caller, connection: Connection, clock: Clock
) -> None:
    owner = caller(app, add_key(api))
    assert owner.get("/v1/client/").status_code == 200
    factories.execute(connection, "UPDATE api_key SET revoked_at = now()")
    assert owner.get("/v1/client/").status_code == 200
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    assert owner.get("/v1/client/").status_code == 401


def test_the_last_use_is_noted_and_not_each_time_and_nobody_waits_for_it(
    app: Flask, api: Caller, connection: Connection, clock: Clock
) -> None:
    owner = caller(app, add_key(api))
    assert api.get("/v1/key/1/").json["last_used_at"] is None
    owner.get("/v1/client/")
    first = api.get("/v1/key/1/").json["last_used_at"]
    assert first is not None
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    owner.get("/v1/client/")
    assert api.get("/v1/key/1/").json["last_used_at"] == first
    factories.execute(connection, "UPDATE api_key SET last_used_at = now() - interval '2 minutes'")
    clock.pass_seconds(2 * credential_cache.TTL_SECONDS)
    connection.autocommit = False
    factories.execute(connection, "SELECT FROM api_key FOR UPDATE")
    assert owner.get("/v1/client/").status_code == 200
    connection.rollback()
    clock.pass_seconds(credential_cache.TTL_SECONDS)
    owner.get("/v1/client/")
    assert api.get("/v1/key/1/").json["last_used_at"] >= first


def test_the_environments_key_needs_no_database(database_url: str) -> None:
    url = parse_database_url(database_url).set(database="nowhere")
    app = create_app(ApiSettings(database_url=url, api_key=API_KEY))
    assert caller(app).post("/v1/client/create/", json={}).status_code == 422
    assert caller(app, make_key().key).get("/v1/client/").status_code == 503


def test_too_many_requests_of_one_key_are_told_when_to_try_again_and_others_go_on(
    clean_database: str, api: Caller, clock: Clock
) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(clean_database), api_key=API_KEY, rate=0.5))
    one, other = caller(app, add_key(api)), caller(app, add_key(api))
    statuses = [one.get("/v1/client/").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    refused = one.get("/v1/client/")
    assert refused.json["code"] == 429
    assert refused.headers["Retry-After"] == "2"
    clock.pass_seconds(0.5)
    assert one.get("/v1/client/").headers["Retry-After"] == "2"
    assert other.get("/v1/client/").status_code == 200


def test_too_many_requests_without_a_key_are_refused_by_address_and_keys_go_on(
    clean_database: str, clock: Clock
) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(clean_database), api_key=API_KEY, anonymous_rate=0.2))
    nobody = caller(app, None)

    def ask(address: str) -> Answer:
        return nobody.get("/v1/client/", environ_base={"REMOTE_ADDR": address})

    assert [ask("192.0.2.1").status_code for _ in range(3)] == [401, 401, 429]
    assert ask("192.0.2.2").status_code == 401
    assert [ask(f"2001:db8::{n}").status_code for n in range(3)] == [401, 401, 429]
    known = caller(app).get("/v1/client/", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert known.status_code == 200


def test_an_address_told_by_a_proxy_counts_only_if_the_proxy_is_trusted(clean_database: str) -> None:
    for proxies, address in ((0, "127.0.0.1"), (1, "192.0.2.9")):
        settings = ApiSettings(database_url=parse_database_url(clean_database), trusted_proxies=proxies)
        api = caller(create_app(settings))
        api.post("/v1/client/create/", json=client_body(), headers={"X-Forwarded-For": "192.0.2.8, 192.0.2.9"})
        api.delete(f"/v1/client/{proxies + 1}/", headers={"X-Forwarded-For": "192.0.2.8, 192.0.2.9"})
        assert api.get("/v1/audit/?operation=deleteClient&limit=1000").json[-1]["address"] == address


def test_the_first_key_is_made_once(app: Flask, clean_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = create_app(ApiSettings(database_url=parse_database_url(clean_database)))
    show_bootstrap_key(fresh)
    show_bootstrap_key(fresh)
    shown = re.findall(r"gonets_\w+", capsys.readouterr().err)
    assert len(shown) == 1
    assert caller(fresh, shown[0]).get("/v1/audit/").status_code == 200


def test_keys_from_the_command_line(app: Flask, clean_database: str) -> None:
    cli = app.test_cli_runner()
    key = cli.invoke(args=["key", "create", "a script", "--role", "viewer", "--days", "1"]).output.strip()
    assert caller(app, key).get("/v1/client/").status_code == 200
    assert caller(app, key).get("/v1/key/").status_code == 403
    listed = cli.invoke(args=["key", "list"]).output
    assert key[:20] in listed
    assert key not in listed
    assert "a script" in cli.invoke(args=["key", "revoke", "1"]).output
    assert "revoked" in cli.invoke(args=["key", "list"]).output
    assert cli.invoke(args=["key", "revoke", "2"]).exit_code == 1
    assert cli.invoke(args=["key", "create", "x" * 101]).exit_code == 1
    mine = [
        one for one in caller(app).get("/v1/audit/?object=key&limit=1000").json if one["actor"].startswith("system:")
    ]
    assert [one["operation"] for one in mine[-2:]] == ["createKey", "revokeKey"]


@pytest.mark.parametrize("path", ["/v1/client/", "/docs/", "/healthz", "/login/", "/nothing"])
def test_every_answer_has_the_headers_that_keep_browsers_safe(api: Caller, path: str) -> None:
    answer = api.get(path)
    [policy] = answer.headers.getlist("Content-Security-Policy")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Strict-Transport-Security" not in answer.headers
    secure = api.get(path, base_url="https://localhost")
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "Access-Control-Allow-Origin" not in answer.headers
    for one in (answer, secure):
        one.close()


@pytest.mark.parametrize(
    ("caching", "paths"),
    [
        (["private, no-cache"], ["/v1/client/", "/v1/nothing/"]),
        (["no-store"], ["/v1/key/", "/v1/sign-in-link/create/", "/login/", "/logout/", "/clients/"]),
        ([], ["/healthz", "/nothing"]),
    ],
)
def test_what_is_personal_or_secret_is_in_no_shared_cache(api: Caller, caching: list[str], paths: list[str]) -> None:
    for path in paths:
        assert api.get(path).headers.getlist("Cache-Control") == caching, path


def test_a_request_has_an_id_which_may_be_the_callers(api: Caller) -> None:
    assert api.get("/v1/client/", headers={"X-Request-Id": "trace-17"}).headers["X-Request-Id"] == "trace-17"
    for odd in ("a b", "x" * 65, "<script>"):
        assert re.fullmatch("[0-9a-f]{32}", api.get("/", headers={"X-Request-Id": odd}).headers["X-Request-Id"])
