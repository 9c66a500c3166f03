"""Links to opt out: the page behind them, what it records, its address, and what mailings, plans and previews have."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.opt_out.routes import MAX_FORGED
from api.settings import ApiSettings
from shared.domain.opt_out_links import token_of
from shared.domain.reasons import ReasonCode
from tests.conftest import Connect
from tests.factories import add_clients, add_mailing, add_running_mailing, execute, message, row, value
from tests.integration.api.calls import Answer, Caller, caller, mailing_body, wrong_fields
from tests.integration.api.fake_clock import Clock
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance

URL = "https://s.example/u"
PUBLIC_URL = "https://sms.example.com"
AT = {"base_url": "https://s.example"}
LINK = "Sale! {{ opt_out_link }}"


@pytest.fixture(scope="module")
def app(database_url: str) -> Flask:
    """The application whose pages for recipients have a host of their own."""
    return application(database_url)


def application(database_url: str, opt_out_url: str = URL, public_url: str = PUBLIC_URL) -> Flask:
    settings = ApiSettings(
        database_url=parse_database_url(database_url), opt_out_url=opt_out_url, public_url=public_url
    )
    return create_app(settings)


@pytest.fixture
def phone(app: Flask, clean_database: str, clock: Clock) -> Caller:
    """A phone, which has no key."""
    return caller(app, None)


@pytest.fixture
def path(connection: Connection, clean_database: str) -> str:
    """The path of the link of message 1, which is in a running mailing to two clients."""
    add_running_mailing(connection, 2)
    return path_of(connection, 1)


def path_of(connection: Connection, message_id: int) -> str:
    secret = bytes(value(connection, "SELECT opt_out_secret FROM sending_rules"))
    return f"/u/{token_of(message_id, secret)}"


def suppressions(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM suppression"))


def heading(answer: Answer) -> str:
    found = re.search("<h1>(.*)</h1>", answer.text)
    assert found, answer.text
    return found[1]


def test_get_shows_the_end_of_the_number_and_changes_nothing(phone: Caller, path: str, connection: Connection) -> None:
    for ask in (phone.get, phone.head):
        answer = ask(path, **AT)
        assert answer.status_code == 200
    shown = phone.get(path, **AT).text
    assert "…001" in shown
    assert "9000000001" not in shown
    assert (shown.count("<button"), shown.count('<form method="post">')) == (1, 1)
    assert suppressions(connection) == 0
    assert message(connection, 1)["status"] == "pending"


def test_a_link_is_valid_with_the_text_that_a_phone_takes_for_a_part_of_it(phone: Caller, path: str) -> None:
    for link in (
        f"{path}…",
        f"{path}”",
        f"{path}\u00a0",
        f"{path}%0D%0AThanks",
        f"{path}.STOP",
        f"{path}//",
        path.upper(),
    ):
        assert phone.get(link, **AT).status_code == 200, link
    assert phone.get(path[:-1] + "…", **AT).status_code == 404


def test_the_page_is_for_any_phone_and_for_no_search_engine(phone: Caller, path: str) -> None:
    answer = phone.get(path, **AT)
    assert answer.headers.getlist("Content-Security-Policy")[0].startswith("default-src 'none'; style-src 'sha256-")
    assert len(answer.headers.getlist("Content-Security-Policy")) == 1
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "Set-Cookie" not in answer.headers
    assert re.findall(r"<script|\ssrc=|\shref=|@import|url\(", answer.text) == []
    assert "https:" not in answer.text


def test_post_suppresses_the_number_and_cancels_what_waits(
    phone: Caller, path: str, connection: Connection, maintenance: Maintenance, open_queue: OpenQueue
) -> None:
    headers = {"User-Agent": "Old \x80 phone" + "x" * 500}
    answer = phone.post(path, **AT, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.77"})
    again = phone.post(path, **AT, data={"anything": "x"})

    assert (answer.status_code, again.status_code) == (200, 200)
    assert answer.text == again.text == phone.get(path, **AT).text
    assert "<form" not in answer.text
    found = row(connection, "SELECT * FROM suppression")
    assert (found["phone_number"], found["scope"], found["reason"], found["source"]) == (
        79000000001,
        "everything",
        "opted_out",
        "link",
    )
    evidence = found["evidence"]
    assert evidence.keys() == {"message_id", "mailing_id", "at", "user_agent", "network"}
    assert (evidence["message_id"], evidence["mailing_id"], evidence["network"]) == (1, 1, "203.0.113.0/24")
    assert (evidence["user_agent"][:10], len(evidence["user_agent"])) == ("Old  phone", 200)
    assert datetime.now(UTC) - datetime.fromisoformat(evidence["at"]) < timedelta(minutes=5)
    first = message(connection, 1)
    assert (first["status"], first["reason_code"]) == ("cancelled", ReasonCode.SUPPRESSED)
    assert [claimed.message_id for claimed in open_queue().claim(10)] == [2]
    add_mailing(connection, kind="service", mark="addressee")
    maintenance.run()
    assert value(connection, "SELECT status::text FROM message WHERE mailing_id = 2 AND client_id = 1") == "cancelled"


def test_an_opt_out_is_recorded_although_a_claim_of_two_messages_comes_between(
    phone: Caller, path: str, connection: Connection, connect: Connect
) -> None:
    execute(connection, "UPDATE message SET phone_number = 79000000001")
    claim = connect()
    claim.autocommit = False
    execute(claim, "SET deadlock_timeout = '1min'")  # the other one is given up
    execute(claim, "SELECT FROM message WHERE id = 2 FOR UPDATE")

    answering = in_background(lambda: phone.post(path, **AT))
    wait_for_lock_waiter(connection)
    execute(claim, "SELECT FROM message WHERE id = 1 FOR UPDATE")
    claim.commit()

    assert answering.result(PATIENCE).status_code == 200
    assert suppressions(connection) == 1
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending'") == 0


def test_a_recipient_who_wants_messages_again_can_refuse_them_again(
    phone: Caller, path: str, connection: Connection
) -> None:
    phone.post(path, **AT)
    execute(connection, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")
    assert "<form" in phone.get(path, **AT).text
    phone.post(path, **AT)
    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1


def test_an_invalid_link_says_nothing_of_any_message_and_is_limited(
    phone: Caller, path: str, connection: Connection, clock: Clock
) -> None:
    forged = path[:-1] + ("x" if path[-1] != "x" else "z")
    answers = [
        phone.get(one, **AT) for one in (forged, path[:-1], "/u/x", "/u/2-" + path[3:], path_of(connection, 9)[:-1])
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "<form" not in answers[0].text
    assert phone.post(forged, **AT).status_code == 404
    more = [phone.get(forged, **AT) for _ in range(MAX_FORGED)]
    assert more[-1].status_code == 429
    assert int(more[-1].headers["Retry-After"]) > 0
    # Another phone may be behind the same address.
    assert phone.get(path, **AT).status_code == 200
    clock.pass_seconds(60)
    assert phone.get(forged, **AT).status_code == 404
    assert suppressions(connection) == 0


def test_a_link_whose_number_is_not_kept_any_more_says_so(phone: Caller, path: str, connection: Connection) -> None:
    removed = phone.get(path_of(connection, 77), **AT)
    execute(connection, "UPDATE message SET phone_number = 0 WHERE id = 1")
    erased = phone.get(path, **AT)

    assert (removed.status_code, erased.status_code) == (410, 410)
    assert "has expired" in removed.text
    assert "reply STOP" in erased.text
    assert removed.text == erased.text
    assert phone.post(path, **AT).status_code == 410
    assert suppressions(connection) == 0


def test_the_language_is_the_clients_then_the_browsers_then_the_settings(
    phone: Caller, path: str, connection: Connection
) -> None:
    def heading_in(languages: str | None) -> str:
        return heading(phone.get(path, **AT, headers={"Accept-Language": languages} if languages else {}))

    assert heading_in(None) == "Stop messages"
    assert heading_in("ja, de-AT;q=0.9, en;q=0.8") == "Nachrichten abbestellen"
    execute(connection, "UPDATE sending_rules SET reply_language = 'fr'")
    assert heading_in("ja") == "Ne plus recevoir de messages"
    execute(connection, "UPDATE client SET attributes = %s", '{"language": "ru-RU"}')
    assert heading_in("de") == "Nachrichten abbestellen"
    execute(connection, "INSERT INTO client_field (name, type) VALUES ('language', 'text')")
    assert heading_in("de") == "Отказ от сообщений"
    assert 'lang="ru"' in phone.get(path, **AT).text
    execute(connection, "DELETE FROM client_field WHERE name = 'language'")
    execute(connection, "UPDATE sending_rules SET reply_language = 'en'")


def test_a_host_of_its_own_has_nothing_else_and_the_others_have_no_pages(
    app: Flask, phone: Caller, path: str, connection: Connection
) -> None:
    signed_in = caller(app)
    for other in (
        "/",
        "/v1/client/",
        "/docs/",
        "/login/",
        "/metrics",
        "/healthz",
        "/mailings/",
        "/u",
        "/u/",
        "/opt-out/x",
    ):
        answer = signed_in.get(other, **AT)
        assert answer.status_code in (404, 429), other
        assert "This link is not valid" in answer.text or answer.status_code == 429
    assert signed_in.get("/v1/client/", headers={"Host": "S.example.:443"}).status_code in (404, 429)
    assert signed_in.post("/v1/client/create/", json={}, **AT).status_code in (404, 429)
    assert signed_in.put("/v1/client/1/", json={}, **AT).status_code == 405
    for host in ("https://sms.example.com", "http://127.0.0.1:8000"):
        assert phone.get(path, base_url=host).status_code == 404
        assert phone.get(f"/opt-out/{path[3:]}", base_url=host).status_code == 404
        assert phone.post(f"/opt-out/{path[3:]}", base_url=host).status_code == 404
        assert signed_in.get("/v1/client/", base_url=host).status_code == 200
    for address in ("/v1/receipt/default/x", "/v1/inbound/default/x"):
        assert phone.post(address, **AT).status_code in (404, 429)
    assert suppressions(connection) == 0


def test_a_path_that_cannot_be_a_link_has_the_page_too(phone: Caller, path: str) -> None:
    for odd in ("/u/%0A", "/u/a//b", "/u//"):
        answer = phone.get(odd, **AT)
        assert (answer.status_code, answer.mimetype) == (404, "text/html"), odd
    assert "<form" in phone.get(path.replace("/u/", "/u//"), **AT).text


def test_at_the_host_of_the_api_the_pages_have_a_path(
    database_url: str, clean_database: str, path: str, connection: Connection
) -> None:
    app = application(database_url, public_url="https://s.example")
    phone, signed_in = caller(app, None), caller(app)
    assert "<form" in phone.get(path, **AT).text
    assert phone.post(path, **AT).status_code == 200
    assert suppressions(connection) == 1
    assert signed_in.get("/v1/client/", **AT).status_code == 200
    assert phone.get(f"/opt-out/{path[3:]}", **AT).status_code == 404


def test_without_a_path_the_token_is_all(
    database_url: str, clean_database: str, path: str, connection: Connection
) -> None:
    phone = caller(application(database_url, opt_out_url="https://s.example"), None)
    assert "<form" in phone.get(path.removeprefix("/u"), **AT).text


def test_a_mailing_with_a_link_needs_the_setting(
    database_url: str, clean_database: str, connection: Connection
) -> None:
    add_clients(connection, 1)
    api = caller(application(database_url, opt_out_url=""))
    body = mailing_body(text=LINK)
    for answer in (api.post("/v1/mailing/create/", json=body), api.post("/v1/mailing/plan/", json=body)):
        assert (answer.status_code, wrong_fields(answer)) == (422, {"text"}), answer.text
        assert "OPT_OUT_URL" in answer.json["message"]
        assert answer.json["reason_code"] == "no_opt_out_url"
    assert api.post("/v1/template/create/", json={"name": "sale", "text": LINK}).status_code == 201
    missing = api.post("/v1/template/preview/", json={"text": LINK}).json
    assert (missing["text"], missing["missing"]) == (None, ["opt_out_link"])


@pytest.fixture
def api(app: Flask, clean_database: str) -> Caller:
    return caller(app)


def test_a_text_with_a_link_alone_is_a_template(api: Caller, connection: Connection) -> None:
    created = api.post("/v1/mailing/create/", json=mailing_body(text=LINK))
    assert created.status_code == 201, created.text
    stored = row(connection, "SELECT fields, field_types::text[] AS types FROM mailing_text")
    assert (stored["fields"], stored["types"]) == (["opt_out_link"], ["text"])
    assert value(connection, "SELECT personalised FROM mailing") is True


def test_no_field_of_clients_has_the_name_of_the_link(api: Caller) -> None:
    answer = api.post("/v1/client-field/create/", json={"name": "opt_out_link", "type": "text"})
    assert (answer.status_code, wrong_fields(answer)) == (422, {"name"})
    assert api.post("/v1/mailing/plan/", json={"segment": "opt_out_link = 'x'"}).status_code == 422


def test_the_plan_and_the_preview_have_a_link_of_the_real_length(
    api: Caller, connection: Connection, open_queue: OpenQueue
) -> None:
    clients = add_clients(connection, 40, tag="vip")
    plan = api.post("/v1/mailing/plan/", json=mailing_body(text=LINK)).json
    shown = api.post("/v1/template/preview/", json={"text": LINK, "client_id": clients[0]}).json
    add_running_mailing(connection, 40, text=LINK, fields={"opt_out_link": "text"})
    bodies = [claimed.text for claimed in open_queue(opt_out_url=URL).claim(40)]

    assert plan["distribution"]["longest"]["text"].startswith(f"Sale! {URL}/example-")
    assert plan["segments"]["characters"] == max(map(len, bodies))
    assert shown["text"].startswith(f"Sale! {URL}/example-")
    assert len(shown["text"]) == min(map(len, bodies))
    assert (shown["missing"], shown["segments"]) == ([], 1)


def test_the_console_offers_the_link_where_there_are_links(api: Caller, database_url: str) -> None:
    without = caller(application(database_url, opt_out_url=""))
    assert "{{ opt_out_link }}" in api.get("/templates/new/").text
    assert "opt_out_link" not in without.get("/templates/new/").text


def given_settings(**changes: Any) -> ApiSettings:
    return ApiSettings(database_url=parse_database_url("postgresql://nobody@127.0.0.1:1/none"), **changes)


def test_an_address_that_would_hide_the_console_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        create_app(given_settings(opt_out_url="https://s.example/login", public_url="https://s.example"))
    assert "OPT_OUT_URL" in capsys.readouterr().err


def test_a_page_says_in_words_that_the_database_is_unavailable() -> None:
    phone = caller(create_app(given_settings(opt_out_url=URL)), None)
    answer = phone.get("/u/x", **AT, headers={"Accept-Language": "ru"})
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "Попробуйте ещё раз позже" in answer.text
    assert answer.headers["Retry-After"]
