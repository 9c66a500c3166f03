"""Every operation and every command that can change something: one that does has one entry, one that does not has none.

What there is to walk over is asked of the application, so an operation without a case here fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import requests
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.auth import rate_limiter
from api.console.mailing_actions import MailingAction
from api.database_url import database_url as parse_database_url
from api.oidc_settings import ProviderSettings
from api.permissions import SAFE_METHODS
from api.settings import ApiSettings
from shared.credentials import CredentialCipher
from shared.gateways.allowed_addresses import allowed_networks
from tests.factories import add_clients, add_running_mailing, change_mailing, execute, rows, value
from tests.inbound import add_inbound_message
from tests.integration.api.calls import API_KEY, Answer, Caller, add_mailing, caller, client_body, mailing_body
from tests.integration.api.html_forms import fields_of
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

HEADER = "phone_number,operator_code,tag,timezone\n"
NEW_ROW = "79161234567,916,vip,UTC\n"
OTHER_ROW = "79161234568,916,vip,UTC\n"
CLIENT_FORM = {"phone_number": "79161234567", "operator_code": "916", "tag": "vip", "timezone": "UTC"}
MAILING_FORM = {
    "text": "Bye",
    "mark": "vip",
    "on_unknown": "hold",
    "start_datetime": "2032-06-02T21:00",
    "end_datetime": "2032-06-03T21:00",
}
GATEWAY_FORM = {"provider": "gonets", "name": "third", "address": "http://127.0.0.1:9", "credentials.token": "secret"}
GATEWAY_FORM |= {"receipt_hours": "72"}
PRICE_FORM = {"segment_price": "0.05", "currency": "EUR", "receipt_hours": "72"}
ROUTE_FORM = {"name": "abroad", "mode": "order", "place.default": "1", "prefixes": "380 +381"}
SEGMENT_FORM = {"name": "of rows", "conditions_as": "text", "conditions": "name exists"}
ERASURE_FORM = {"confirm": "79000000001", "reason": "asked", "evidence": "letter 118"}
CAP_FORM = {"cap_messages.0": "2", "cap_hours.0": "24"}
CALENDAR_FORM = {"name": "another", "days": "2032-01-02 a day"}
CONSENT_FORM = {"phone_number": "79161230001", "given_at": "2022-06-01T09:00", "method": "web", "wording": "I agree."}
FIELD_FORM = {"name": "city", "type": "text", "label": "City"}
KEPT_APART = ["audit_entry", "idempotency_key", "alembic_version"]
"""Tables that are not compared: the audit itself, and answers kept to be repeated."""
NOT_DATA = frozenset({"check-contract", "db", "openapi"})
"""Commands without data: reading a file, and those of extensions, migrations and printing the document."""


@dataclass
class Service:
    """Two clients, one of whom has written, a mailing that waits (1), one under way whose messages failed, are unknown
    and wait (2)."""

    app: Flask
    api: Caller
    connection: Connection

    def browser(self) -> tuple[Caller, str]:
        """A browser that API_KEY is signed in with, and its token."""
        browser = caller(self.app, None)
        data = {"csrf_token": token_of(browser), "key": API_KEY}
        assert browser.post("/login/", data=data).status_code == 303
        return browser, token_of(browser)

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table, but for when a key was last used."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(%s)"
        one = "SELECT to_jsonb(t) - 'last_used_at' FROM {} t ORDER BY to_jsonb(t)::text"
        return {name: rows(self.connection, one.format(name)) for (name,) in rows(self.connection, tables, KEPT_APART)}

    def last_entry(self) -> int:
        """The id of the audit's last entry."""
        return int(value(self.connection, "SELECT coalesce(max(id), 0) FROM audit_entry"))

    def operations_since(self, entry: int) -> list[str]:
        """What the audit has got since, but for sign-ins that failed: those are in it although nothing has changed."""
        found = rows(self.connection, "SELECT operation FROM audit_entry WHERE id > %s ORDER BY id", entry)
        return [operation for (operation,) in found if operation != "signInFailed"]


Act = Callable[[Service], object]


@dataclass(frozen=True)
class Case:
    """Acts in their order, each with the entries that it leaves; then acts that leave none."""

    acts: tuple[tuple[Act, list[str]], ...] = ()
    idle: tuple[Act, ...] = ()
    ends_as_it_began: bool = False


def send(method: str, path: str, **options: Any) -> Act:
    """A request with an admin's key."""
    return lambda service: service.api.open(path, method=method, **options)


def post(path: str, form: dict[str, str] | None = None) -> Act:
    """A form of the console."""
    return lambda service: service.api.post(path, data=form or {})


def fill_in(path: str, **changes: str) -> Act:
    """A page's own form as a browser sends it, with these changes; twice, as by two clicks."""

    def act(service: Service) -> None:
        form = fields_of(service.api.get(path)) | changes
        for _ in range(2):
            service.api.post(path, data=form)

    return act


def fill_in_at(page: str, path: str, **changes: str) -> Act:
    """The same for a form that is sent elsewhere."""

    def act(service: Service) -> None:
        form = fields_of(service.api.get(page)) | changes
        for _ in range(2):
            service.api.post(path, data=form)

    return act


def edit(table: str, path: str, form: dict[str, str]) -> Act:
    """A form of the console that was opened just now."""

    def act(service: Service) -> Answer:
        moment = value(service.connection, f"SELECT updated_at FROM {table} WHERE id = 1")  # noqa: S608
        return service.api.post(path, data=form | {"updated_at": moment.astimezone(UTC).isoformat()})

    return act


def take(*lines: str) -> Act:
    """An import."""
    return send("POST", "/v1/client/import/", data=HEADER + "".join(lines), content_type="text/csv")


def erase_number(number: int, **given: Any) -> Act:
    """What is known about a number is erased."""
    return send("POST", f"/v1/number/{number}/erase/", json={"confirm": number, "reason": "asked", **given})


def send_file(step: str) -> Act:
    """A file that the console's page sends."""
    body = HEADER + (OTHER_ROW if step == "check" else NEW_ROW)
    return send("POST", f"/clients/import/?step={step}", data=body, content_type="text/csv")


def run(*arguments: str) -> Act:
    """A command of `flask`."""

    def act(service: Service) -> None:
        result = service.app.test_cli_runner().invoke(args=list(arguments))
        assert result.exit_code == 0, result.output

    return act


def make_key(service: Service) -> None:
    with TemporaryDirectory() as folder:
        run("make-credentials-key", f"{folder}/key")(service)


def reopen_one(service: Service) -> None:
    """The command, when there is a mailing that has ended although its messages have not."""
    mailing_id = add_running_mailing(service.connection, 1)
    change_mailing(service.connection, mailing_id, "status = 'finished', ended_at = now(), settled_at = now()")
    run("ledger", "reopen")(service)


def token_of(browser: Caller) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login/").text)
    assert found
    return found[1]


def sign_in_with_key(service: Service) -> None:
    service.browser()


def sign_in_with_link_instead(service: Service) -> Answer:
    """Opens another person's link in a browser that somebody is signed in with, and confirms."""
    browser, token = service.browser()
    key = service.api.post("/v1/key/create/", json={"name": "a viewer", "role": "viewer"}).json["key"]
    path = caller(service.app, key).post("/v1/sign-in-link/create/").json["path"]
    return browser.post("/login/", data={"csrf_token": token, "link": path.partition("link=")[2]})


def sign_out(service: Service) -> Answer:
    browser, token = service.browser()
    return browser.post("/logout/", data={"csrf_token": token})


def open_link(service: Service) -> Answer:
    return caller(service.app, None).get(service.api.post("/v1/sign-in-link/create/").json["path"])


def go_to_provider(service: Service) -> Answer:
    return caller(service.app, None).get("/login/provider/")


def return_from_provider(service: Service) -> Answer:
    browser = caller(service.app, None)
    there = browser.get("/login/provider/").headers["Location"]
    back = urlsplit(requests.get(there, allow_redirects=False, timeout=10).headers["Location"])
    return browser.get(f"{back.path}?{back.query}")


def sign_in_with_wrong_key(service: Service) -> Answer:
    browser = caller(service.app, None)
    return browser.post("/login/", data={"csrf_token": token_of(browser), "key": "wrong"})


def pause_and_resume(service: Service) -> None:
    for action in ("pause", "resume"):
        service.api.post(f"/v1/mailing/1/{action}/")


def approve(service: Service) -> Answer:
    execute(service.connection, "UPDATE mailing SET requires_approval = true, created_by = NULL WHERE id = 1")
    return service.api.post("/v1/mailing/1/approve/")


def approve_by_form(service: Service) -> None:
    execute(service.connection, "UPDATE mailing SET requires_approval = true, created_by = NULL WHERE id = 1")
    fill_in("/mailings/1/approve/")(service)


def send_test(service: Service) -> Answer:
    number = value(service.connection, "SELECT phone_number FROM client WHERE id = 1")
    return service.api.post("/mailings/1/test/", data={"phone_number": number})


def send_test_by_api(service: Service) -> Answer:
    number = value(service.connection, "SELECT phone_number FROM client WHERE id = 1")
    return service.api.post(
        "/v1/mailing/1/test/", json={"phone_number": number}, headers={"Idempotency-Key": "test-send"}
    )


def send_gateway_test(service: Service) -> Answer:
    number = value(service.connection, "SELECT phone_number FROM client WHERE id = 1")
    body = {"phone_number": number, "text": "A test"}
    return service.api.post("/v1/gateway/1/test/", json=body, headers={"Idempotency-Key": "gateway-test"})


def send_gateway_test_by_form(service: Service) -> Answer:
    number = value(service.connection, "SELECT phone_number FROM client WHERE id = 1")
    return service.api.post("/gateways/1/test/", data={"phone_number": number, "text": "A test"})


def change_route(service: Service) -> Answer:
    moment = value(service.connection, "SELECT updated_at FROM route WHERE id = 2")
    form = ROUTE_FORM | {"updated_at": moment.astimezone(UTC).isoformat(), "prefixes": "382"}
    return service.api.post("/routes/2/edit/", data=form)


def add_list(query: str, body: str = "79161234567\n") -> Act:
    """An upload of numbers."""
    return send("POST", f"/v1/number-list/create/?{query}", data=body, content_type="text/plain")


create_client = send("POST", "/v1/client/create/", json=client_body())
update_client = send("PUT", "/v1/client/1/", json=client_body(tag="other"))
create_once = send("POST", "/v1/mailing/create/", json=mailing_body(), headers={"Idempotency-Key": "1"})
update_mailing = send("PUT", "/v1/mailing/1/", json=mailing_body(text="Bye"))
retry = send("POST", "/v1/mailing/2/retry/", json={"status": "failed"})
edit_client = edit("client", "/clients/1/edit/", CLIENT_FORM)
edit_mailing = edit("mailing", "/mailings/1/edit/", MAILING_FORM)
keep_draft = post("/mailings/new/", MAILING_FORM | {"then": "keep"})
edit_draft = edit("mailing_draft", "/mailings/drafts/1/edit/", MAILING_FORM | {"text": "Other"})
send_draft = fill_in("/mailings/drafts/1/", confirm="nobody_matches")
create_draft = send("POST", "/v1/draft/create/", json=mailing_body(), headers={"Idempotency-Key": "draft"})
update_draft = send("PUT", "/v1/draft/1/", json={"text": "Half a"})
send_draft_by_api = send("POST", "/v1/draft/1/send/", json={"confirm": ["nobody_matches"]})
GATEWAY = {"name": "second", "provider": "gonets", "address": "http://127.0.0.1:9", "credentials": {"token": "secret"}}
create_gateway = send("POST", "/v1/gateway/", json=GATEWAY, headers={"Idempotency-Key": "gateway"})
update_gateway = send("PUT", "/v1/gateway/2/", json={"rate": 5})
create_route = send(
    "POST",
    "/v1/route/",
    json={"name": "abroad", "gateways": [{"gateway": "default"}], "prefixes": ["380"]},
    headers={"Idempotency-Key": "route"},
)
create_segment = send(
    "POST", "/v1/segment/create/", json={"name": "named", "text": "name exists"}, headers={"Idempotency-Key": "segment"}
)
update_segment = send("PUT", "/v1/segment/1/", json={"text": "name does not exist"})
update_route = send("PUT", "/v1/route/2/", json={"prefixes": ["381"]})
create_calendar = send(
    "POST",
    "/v1/holiday-calendar/",
    json={"name": "ours", "days": [{"day": "2032-01-01"}]},
    headers={"Idempotency-Key": "calendar"},
)
update_calendar = send("PUT", "/v1/holiday-calendar/1/", json={"days": [{"day": "2032-01-02", "name": "a day"}]})
update_rules = send("PUT", "/v1/sending-rules/", json={"caps": [{"messages": 2, "period_hours": 24}]})
create_field = send(
    "POST", "/v1/client-field/create/", json={"name": "city", "type": "text"}, headers={"Idempotency-Key": "field"}
)
label_field = send("PUT", "/v1/client-field/5/", json={"label": "City"})
give_city = send(
    "PUT",
    "/v1/client/1/",
    json=client_body(phone_number=79000000001, operator_code="900", attributes={"city": "Kazan", "name": "A"}),
)
create_template = send(
    "POST", "/v1/template/create/", json={"name": "a", "text": "{{ name }}"}, headers={"Idempotency-Key": "template"}
)
send_numbers = send(
    "POST", "/number-lists/file/?name=fair", data=b"+79001234567\n", headers={"Content-Type": "text/plain"}
)
send_suppressions = send("POST", "/suppressions/file/", data="phone_number\n79161230001\nx\n", content_type="text/csv")
send_consents = send(
    "POST",
    "/consents/file/?method=web&wording=yes",
    data="phone_number,given_at\n79161230001,2022-06-01\nx,2022-06-01\n",
    content_type="text/csv",
)
update_template = send("PUT", "/v1/template/1/", json={"text": "Hello"})
resolve = send("POST", "/v1/message/2/resolve/", json={"outcome": "arrived"})

decide = send("POST", "/v1/inbound-message/1/decide/", json={"decision": "stop"})
answer_by_api = send(
    "POST", "/v1/inbound-message/1/answer/", json={"text": "Yes"}, headers={"Idempotency-Key": "answer"}
)

SUPPRESSION = {"phone_number": 79161230000, "scope": "everything", "reason": "opted_out"}
CONSENT = {"phone_number": 79161230000, "given_at": "2022-06-02T18:25:43.511Z", "method": "letter", "wording": "Yes"}
EVIDENCE = {"evidence": {"letter": "1"}}
suppress = send("POST", "/v1/suppression/create/", json=SUPPRESSION, headers={"Idempotency-Key": "suppression"})
lift = send("POST", "/v1/suppression/1/lift/", json=EVIDENCE, headers={"Idempotency-Key": "lift"})
import_suppressions = send(
    "POST", "/v1/suppression/import/", data="phone_number\n79161230001\nx\n", content_type="text/csv"
)
consent = send("POST", "/v1/consent/create/", json=CONSENT, headers={"Idempotency-Key": "consent"})
withdraw = send("POST", "/v1/consent/1/withdraw/", json=EVIDENCE, headers={"Idempotency-Key": "withdrawal"})
import_consents = send(
    "POST",
    "/v1/consent/import/?method=letter&wording=Yes",
    data="phone_number,given_at\n79161230001,2022-06-02\n",
    content_type="text/csv",
)

API_CASES = {
    "POST Clients.NewClient": Case(
        ((create_client, ["createClient"]),), (create_client, send("POST", "/v1/client/create/", json={}))
    ),
    "PUT Clients.ClientById": Case(
        ((update_client, ["updateClient"]),),
        (
            update_client,
            send("PUT", "/v1/client/1/", json=client_body(operator_code="000")),
            send("PUT", "/v1/client/1/", json=client_body(), headers={"If-Match": '"x"'}),
        ),
    ),
    "DELETE Clients.ClientById": Case(
        ((send("DELETE", "/v1/client/1/"), ["deleteClient"]),), (send("DELETE", "/v1/client/1/"),)
    ),
    "POST Clients.ClientsImport": Case(
        ((take(NEW_ROW, "x,y,z,a\n"), ["importClients"]),),
        (
            take(NEW_ROW),
            take("x,y,z,a\n"),
            send("POST", "/v1/client/import/", data="a", content_type="text/csv"),
            send("POST", "/v1/client/import/?dry_run=true", data=HEADER + OTHER_ROW, content_type="text/csv"),
        ),
    ),
    "POST Suppressions.NewSuppression": Case(
        ((suppress, ["createSuppression"]),),
        (
            suppress,
            send("POST", "/v1/suppression/create/", json=SUPPRESSION),
            send("POST", "/v1/suppression/create/", json=SUPPRESSION | {"scope": "gateway"}),
        ),
    ),
    "POST Suppressions.SuppressionLift": Case(
        ((suppress, ["createSuppression"]), (lift, ["liftSuppression"])),
        (
            lift,
            send("POST", "/v1/suppression/1/lift/", json=EVIDENCE),
            send("POST", "/v1/suppression/77/lift/", json=EVIDENCE),
        ),
    ),
    "POST Suppressions.SuppressionsImport": Case(
        ((import_suppressions, ["importSuppressions"]),),
        (import_suppressions, send("POST", "/v1/suppression/import/", data="a", content_type="text/csv")),
    ),
    "POST Consents.NewConsent": Case(
        ((consent, ["createConsent"]),),
        (consent, send("POST", "/v1/consent/create/", json=CONSENT), send("POST", "/v1/consent/create/", json={})),
    ),
    "POST Consents.ConsentWithdrawal": Case(
        ((consent, ["createConsent"]), (withdraw, ["withdrawConsent"])),
        (
            withdraw,
            send("POST", "/v1/consent/1/withdraw/", json=EVIDENCE),
            send("POST", "/v1/consent/77/withdraw/", json=EVIDENCE),
        ),
    ),
    "POST Consents.ConsentsImport": Case(
        ((import_consents, ["importConsents"]),),
        (import_consents, send("POST", "/v1/consent/import/", data="a", content_type="text/csv")),
    ),
    "POST NumberLists.NewNumberList": Case(
        (
            (add_list("name=a"), ["createNumberList"]),
            (add_list("name=b&create_clients=true&tag=x&timezone=UTC"), ["createNumberList"] * 2),
        ),
        (add_list("name=a"), add_list("name=c", "no number"), add_list("name=c&create_clients=true", "no number")),
    ),
    "DELETE NumberLists.NumberListById": Case(
        (
            (add_list("name=a"), ["createNumberList"]),
            (send("DELETE", "/v1/number-list/1/"), ["deleteNumberList"]),
        ),
        (send("DELETE", "/v1/number-list/1/"),),
    ),
    "POST Numbers.NumberErasure": Case(
        ((erase_number(79000000001, suppress=False), ["eraseNumber"]),),
        (erase_number(79000000001, confirm=79000000002),),
    ),
    "POST Mailings.NewMailing": Case(
        (
            (send("POST", "/v1/mailing/create/", json=mailing_body()), ["createMailing"]),
            (create_once, ["createMailing"]),
        ),
        (create_once,),
    ),
    "PUT Mailings.MailingById": Case(
        ((update_mailing, ["updateMailing"]),),
        (update_mailing, send("PUT", "/v1/mailing/2/", json=mailing_body(mark="x"))),
    ),
    "DELETE Mailings.MailingById": Case(
        tuple((send("DELETE", f"/v1/mailing/{id_}/"), ["deleteMailing"]) for id_ in (1, 2)),
        tuple(send("DELETE", f"/v1/mailing/{id_}/") for id_ in (1, 2)),
    ),
    "POST Mailings.MailingPause": Case(
        ((send("POST", "/v1/mailing/1/pause/"), ["pauseMailing"]),),
        (
            send("POST", "/v1/mailing/1/pause/"),
            send("POST", "/v1/mailing/1/pause/", headers={"Idempotency-Key": "2"}),
        ),
    ),
    "POST Mailings.MailingResume": Case(
        ((pause_and_resume, ["pauseMailing", "resumeMailing"]),), (send("POST", "/v1/mailing/1/resume/"),)
    ),
    "POST Mailings.MailingApprove": Case(((approve, ["approveMailing"]),), (send("POST", "/v1/mailing/1/approve/"),)),
    "POST Mailings.MailingCancel": Case(
        ((send("POST", "/v1/mailing/1/cancel/"), ["cancelMailing"]),),
        (send("POST", "/v1/mailing/1/cancel/"), send("POST", "/v1/mailing/77/cancel/")),
    ),
    "POST Mailings.MailingRetry": Case(
        ((retry, ["retryMailing"]),), (retry, send("POST", "/v1/mailing/1/retry/", json={"status": "failed"}))
    ),
    "POST Mailings.MailingTest": Case(
        ((send_test_by_api, ["testMailing"]),),
        (send_test_by_api, send("POST", "/v1/mailing/1/test/", json={"phone_number": 79169999999})),
    ),
    "POST Mailings.MailingUndo": Case(
        ((send("POST", "/v1/mailing/1/undo/"), ["undoMailing"]),),
        (send("POST", "/v1/mailing/1/undo/"), send("POST", "/v1/mailing/2/undo/")),
    ),
    "POST Drafts.NewDraft": Case(
        ((create_draft, ["createDraft"]),), (create_draft, send("POST", "/v1/draft/create/", json={"mark": 1}))
    ),
    "PUT Drafts.DraftById": Case(
        ((create_draft, ["createDraft"]), (update_draft, ["updateDraft"])),
        (update_draft, send("PUT", "/v1/draft/1/", json={}, headers={"If-Match": '"x"'})),
    ),
    "DELETE Drafts.DraftById": Case(
        ((create_draft, ["createDraft"]), (send("DELETE", "/v1/draft/1/"), ["deleteDraft"])),
        (send("DELETE", "/v1/draft/1/"),),
    ),
    "POST Drafts.DraftSending": Case(
        ((create_draft, ["createDraft"]), (send_draft_by_api, ["sendDraft"])),
        (send_draft_by_api, send("POST", "/v1/draft/77/send/", json={})),
    ),
    "POST Messages.MessageResolution": Case(
        ((resolve, ["resolveMessage"]),),
        (
            resolve,
            send("POST", "/v1/message/1/resolve/", json={"outcome": "resend"}),
            send("POST", "/v1/message/2/resolve/", json={"outcome": "x"}),
            send("POST", "/v1/message/77/resolve/", json={"outcome": "arrived"}),
        ),
    ),
    "POST InboundMessages.InboundMessageRead": Case(
        ((send("POST", "/v1/inbound-message/1/read/"), ["markInboundMessageRead"]),),
        (send("POST", "/v1/inbound-message/1/read/"), send("POST", "/v1/inbound-message/77/read/")),
    ),
    "POST InboundMessages.InboundMessageUnread": Case(
        (
            (send("POST", "/v1/inbound-message/1/read/"), ["markInboundMessageRead"]),
            (send("POST", "/v1/inbound-message/1/unread/"), ["markInboundMessageUnread"]),
        ),
        (send("POST", "/v1/inbound-message/1/unread/"), send("POST", "/v1/inbound-message/77/unread/")),
    ),
    "POST InboundMessages.InboundMessageDecision": Case(
        ((decide, ["decideInboundMessage"]),),
        (
            decide,
            send("POST", "/v1/inbound-message/1/decide/", json={"decision": "help"}),
            send("POST", "/v1/inbound-message/77/decide/", json={"decision": "stop"}),
        ),
    ),
    "POST InboundMessages.InboundMessageAnswer": Case(
        ((answer_by_api, ["answerInboundMessage"]),),
        (
            answer_by_api,
            send("POST", "/v1/inbound-message/1/answer/", json={"text": ""}),
            send("POST", "/v1/inbound-message/77/answer/", json={"text": "Yes"}),
        ),
    ),
    "POST Gateways.Gateways": Case(
        ((create_gateway, ["createGateway"]),),
        (create_gateway, send("POST", "/v1/gateway/", json=GATEWAY), send("POST", "/v1/gateway/", json={})),
    ),
    "PUT Gateways.GatewayById": Case(
        ((create_gateway, ["createGateway"]), (update_gateway, ["updateGateway"])),
        (
            update_gateway,
            send("PUT", "/v1/gateway/1/", json={"rate": 5}),
            send("PUT", "/v1/gateway/2/", json={"rate": 6}, headers={"If-Match": '"x"'}),
        ),
    ),
    "DELETE Gateways.GatewayById": Case(
        ((create_gateway, ["createGateway"]), (send("DELETE", "/v1/gateway/2/"), ["deleteGateway"])),
        tuple(send("DELETE", f"/v1/gateway/{id_}/") for id_ in (1, 2)),
    ),
    "POST Gateways.GatewayCallbacksRotate": Case(
        ((send("POST", "/v1/gateway/1/callbacks/rotate/"), ["rotateGatewayCallbacks"]),),
        (send("POST", "/v1/gateway/9/callbacks/rotate/"), send("GET", "/v1/gateway/1/callbacks/")),
    ),
    "POST Gateways.GatewayPause": Case(
        ((send("POST", "/v1/gateway/1/pause/"), ["pauseGateway"]),), (send("POST", "/v1/gateway/1/pause/"),)
    ),
    "POST Gateways.GatewayResume": Case(
        (
            (send("POST", "/v1/gateway/1/pause/"), ["pauseGateway"]),
            (send("POST", "/v1/gateway/1/resume/"), ["resumeGateway"]),
        ),
        (send("POST", "/v1/gateway/1/resume/"),),
    ),
    "POST Gateways.GatewayTest": Case(
        ((send_gateway_test, ["testGateway"]),),
        (
            send_gateway_test,
            send("POST", "/v1/gateway/1/test/", json={"phone_number": 79169999999, "text": "A test"}),
        ),
    ),
    "POST Routes.Routes": Case(((create_route, ["createRoute"]),), (create_route, send("POST", "/v1/route/", json={}))),
    "PUT Routes.RouteById": Case(
        ((create_route, ["createRoute"]), (update_route, ["updateRoute"])),
        (update_route, send("PUT", "/v1/route/1/", json={"prefixes": ["1"]})),
    ),
    "DELETE Routes.RouteById": Case(
        ((create_route, ["createRoute"]), (send("DELETE", "/v1/route/2/"), ["deleteRoute"])),
        tuple(send("DELETE", f"/v1/route/{id_}/") for id_ in (1, 2)),
    ),
    "POST HolidayCalendars.HolidayCalendars": Case(
        ((create_calendar, ["createHolidayCalendar"]),),
        (create_calendar, send("POST", "/v1/holiday-calendar/", json={"name": "FR", "country": "FR"})),
    ),
    "PUT HolidayCalendars.HolidayCalendarById": Case(
        ((create_calendar, ["createHolidayCalendar"]), (update_calendar, ["updateHolidayCalendar"])),
        (update_calendar, send("PUT", "/v1/holiday-calendar/2/", json={"name": "a"})),
    ),
    "DELETE HolidayCalendars.HolidayCalendarById": Case(
        (
            (create_calendar, ["createHolidayCalendar"]),
            (send("DELETE", "/v1/holiday-calendar/1/"), ["deleteHolidayCalendar"]),
        ),
        (send("DELETE", "/v1/holiday-calendar/1/"),),
    ),
    "PUT SendingRules.SendingRules": Case(
        ((update_rules, ["updateSendingRules"]),),
        (update_rules, send("PUT", "/v1/sending-rules/", json={"local_from": "09:00"})),
    ),
    "POST ClientFields.NewClientField": Case(
        ((create_field, ["createClientField"]),),
        (create_field, send("POST", "/v1/client-field/create/", json={"name": "tag", "type": "text"})),
    ),
    "PUT ClientFields.ClientFieldById": Case(
        ((create_field, ["createClientField"]), (label_field, ["updateClientField"])),
        (label_field, send("PUT", "/v1/client-field/5/", json={"repeats_yearly": True})),
    ),
    "DELETE ClientFields.ClientFieldById": Case(
        (
            (create_field, ["createClientField"]),
            (give_city, ["updateClient"]),
            (send("DELETE", "/v1/client-field/5/?values=remove"), ["deleteClientField"]),
            (send("DELETE", "/v1/client-field/4/"), ["deleteClientField"]),
        ),
        # Clients have values of the first.
        tuple(send("DELETE", f"/v1/client-field/{path}") for path in ("1/", "5/", "77/?values=remove")),
    ),
    "POST Segments.NewSegment": Case(
        ((create_segment, ["createSegment"]),), (create_segment, send("POST", "/v1/segment/create/", json={}))
    ),
    "PUT Segments.SegmentById": Case(
        ((create_segment, ["createSegment"]), (update_segment, ["updateSegment"])),
        (update_segment, send("PUT", "/v1/segment/1/", json={"text": "vip ="})),
    ),
    "DELETE Segments.SegmentById": Case(
        ((create_segment, ["createSegment"]), (send("DELETE", "/v1/segment/1/"), ["deleteSegment"])),
        (send("DELETE", "/v1/segment/1/"),),
    ),
    "POST Segments.SegmentCount": Case((), (send("POST", "/v1/segment/count/", json={"segment": "name exists"}),)),
    "POST Templates.NewTemplate": Case(
        ((create_template, ["createTemplate"]),),
        (create_template, send("POST", "/v1/template/create/", json={"name": "b", "text": "{{ x }}"})),
    ),
    "PUT Templates.TemplateById": Case(
        ((create_template, ["createTemplate"]), (update_template, ["updateTemplate"])),
        (update_template, send("PUT", "/v1/template/2/", json={"text": "x"})),
    ),
    "DELETE Templates.TemplateById": Case(
        ((create_template, ["createTemplate"]), (send("DELETE", "/v1/template/1/"), ["deleteTemplate"])),
        (send("DELETE", "/v1/template/2/"),),
    ),
    "POST Templates.TemplatePreview": Case((), (send("POST", "/v1/template/preview/", json={"text": "Hello"}),)),
    "POST Plans.MailingPlan": Case((), (send("POST", "/v1/mailing/plan/", json=mailing_body()),)),
    "POST Keys.NewKey": Case(
        ((send("POST", "/v1/key/create/", json={"name": "x", "role": "viewer"}), ["createKey"]),),
        (send("POST", "/v1/key/create/", json={"name": "", "role": "viewer"}),),
    ),
    "DELETE Keys.KeyById": Case(
        ((run("key", "create", "x"), ["createKey"]), (send("DELETE", "/v1/key/1/"), ["revokeKey"])),
        (send("DELETE", "/v1/key/1/"), send("DELETE", "/v1/key/77/")),
    ),
    "POST SignInLinks.NewSignInLink": Case(((send("POST", "/v1/sign-in-link/create/"), ["createSignInLink"]),)),
}
CONSOLE_CASES = {
    "POST console.new_client": Case(
        ((post("/clients/new/", CLIENT_FORM), ["createClient"]),),
        (post("/clients/new/", CLIENT_FORM), post("/clients/new/")),
    ),
    "POST console.edit_client": Case(
        ((edit_client, ["updateClient"]),), (edit_client, post("/clients/1/edit/", CLIENT_FORM | {"tag": "stale"}))
    ),
    "POST console.remove_client": Case(
        ((post("/clients/1/remove/"), ["deleteClient"]),), (post("/clients/1/remove/"),)
    ),
    "POST console.new_client_field": Case(
        ((post("/clients/fields/new/", FIELD_FORM), ["createClientField"]),),
        (post("/clients/fields/new/", FIELD_FORM), post("/clients/fields/new/")),
    ),
    "POST console.edit_client_field": Case(
        ((edit("client_field", "/clients/fields/1/edit/", {"label": "Who"}), ["updateClientField"]),),
        (
            edit("client_field", "/clients/fields/1/edit/", {"label": "Who"}),
            post("/clients/fields/1/edit/", {"label": "stale"}),
        ),
    ),
    "POST console.remove_client_field": Case(
        (
            (create_field, ["createClientField"]),
            (give_city, ["updateClient"]),
            (post("/clients/fields/5/remove/", {"values": "remove"}), ["deleteClientField"]),
        ),
        (post("/clients/fields/1/remove/"), post("/clients/fields/5/remove/", {"values": "remove"})),
    ),
    "POST console.import_file": Case(
        ((send_file("import"), ["importClients"]),), tuple(map(send_file, ("import", "check", "rejected", "x")))
    ),
    "POST console.new_mailing": Case(
        ((keep_draft, ["createDraft"]), (fill_in("/mailings/new/", **MAILING_FORM), ["createDraft"])),
        (
            post("/mailings/new/", MAILING_FORM | {"preview": "1"}),
            post("/mailings/new/"),
            post("/mailings/new/", MAILING_FORM | {"text": "a\0b", "then": "keep"}),
        ),
    ),
    "POST console.edit_draft": Case(
        ((keep_draft, ["createDraft"]), (edit_draft, ["updateDraft"])),
        (
            edit_draft,
            post("/mailings/drafts/1/edit/", MAILING_FORM | {"text": "stale"}),
            post("/mailings/drafts/1/edit/", MAILING_FORM | {"preview": "1"}),
            post("/mailings/drafts/77/edit/", MAILING_FORM),
        ),
    ),
    "POST console.review_draft": Case(
        ((keep_draft, ["createDraft"]), (send_draft, ["sendDraft"])),
        (post("/mailings/drafts/1/"), edit_draft, post("/mailings/drafts/1/remove/"), post("/mailings/drafts/77/")),
    ),
    "POST console.remove_draft": Case(
        ((keep_draft, ["createDraft"]), (post("/mailings/drafts/1/remove/"), ["deleteDraft"])),
        (post("/mailings/drafts/1/remove/"),),
    ),
    "POST console.undo_mailing": Case(
        ((post("/mailings/1/undo/"), ["undoMailing"]),), (post("/mailings/1/undo/"), post("/mailings/2/undo/"))
    ),
    "POST console.new_gateway": Case(
        ((post("/gateways/new/", GATEWAY_FORM), ["createGateway"]),),
        (post("/gateways/new/", GATEWAY_FORM), post("/gateways/new/", {"provider": "gonets"}), post("/gateways/new/")),
    ),
    "POST console.edit_gateway": Case(
        ((edit("gateway", "/gateways/1/edit/", PRICE_FORM), ["updateGateway"]),),
        (edit("gateway", "/gateways/1/edit/", PRICE_FORM), post("/gateways/1/edit/", PRICE_FORM)),
    ),
    "POST console.pause_gateway": Case(
        ((post("/gateways/1/pause/"), ["pauseGateway"]),), (post("/gateways/1/pause/"),)
    ),
    "POST console.resume_gateway": Case(
        ((post("/gateways/1/pause/"), ["pauseGateway"]), (post("/gateways/1/resume/"), ["resumeGateway"])),
        (post("/gateways/1/resume/"),),
    ),
    "POST console.remove_gateway": Case(
        ((create_gateway, ["createGateway"]), (post("/gateways/2/remove/"), ["deleteGateway"])),
        tuple(post(f"/gateways/{id_}/remove/") for id_ in (1, 2)),
    ),
    "POST console.gateway_test": Case(
        ((send_gateway_test_by_form, ["testGateway"]),),
        (post("/gateways/1/test/", {"phone_number": "79169999999", "text": "x"}), post("/gateways/1/test/")),
    ),
    "POST console.new_route": Case(
        ((post("/routes/new/", ROUTE_FORM), ["createRoute"]),), (post("/routes/new/", ROUTE_FORM), post("/routes/new/"))
    ),
    "POST console.edit_route": Case(
        ((create_route, ["createRoute"]), (change_route, ["updateRoute"])),
        (post("/routes/1/edit/", ROUTE_FORM), post("/routes/2/edit/", ROUTE_FORM)),
    ),
    "POST console.remove_route": Case(
        ((create_route, ["createRoute"]), (post("/routes/2/remove/"), ["deleteRoute"])),
        tuple(post(f"/routes/{id_}/remove/") for id_ in (1, 2)),
    ),
    "POST console.resolve_message": Case(
        ((post("/ledger/2/resolve/", {"outcome": "resend"}), ["resolveMessage"]),),
        (
            post("/ledger/2/resolve/", {"outcome": "resend"}),
            post("/ledger/1/resolve/", {"outcome": "arrived"}),
            post("/ledger/2/resolve/"),
        ),
    ),
    "POST console.read_inbound": Case(
        ((post("/inbox/1/read/"), ["markInboundMessageRead"]),), (post("/inbox/1/read/"), post("/inbox/77/read/"))
    ),
    "POST console.unread_inbound_again": Case(
        (
            (post("/inbox/1/read/"), ["markInboundMessageRead"]),
            (post("/inbox/1/unread/"), ["markInboundMessageUnread"]),
        ),
        (post("/inbox/1/unread/"), post("/inbox/77/unread/")),
    ),
    "POST console.decide_inbound": Case(
        ((post("/inbox/1/decide/", {"decision": "stop"}), ["decideInboundMessage"]),),
        (post("/inbox/1/decide/", {"decision": "stop"}), post("/inbox/77/decide/", {"decision": "stop"})),
    ),
    "POST console.answer_inbound": Case(
        ((fill_in_at("/inbox/1/", "/inbox/1/answer/", text="Yes"), ["answerInboundMessage"]),),
        (post("/inbox/1/answer/"), post("/inbox/77/answer/", {"text": "Yes"})),
    ),
    "POST console.new_segment": Case(
        ((fill_in("/segments/new/", **SEGMENT_FORM), ["createSegment"]),),
        (
            post("/segments/new/", SEGMENT_FORM),
            post("/segments/new/", SEGMENT_FORM | {"preview": "1"}),
            post("/segments/new/"),
        ),
    ),
    "POST console.edit_segment": Case(
        ((create_segment, ["createSegment"]), (edit("segment", "/segments/1/edit/", SEGMENT_FORM), ["updateSegment"])),
        (edit("segment", "/segments/1/edit/", SEGMENT_FORM), post("/segments/1/edit/", SEGMENT_FORM)),
    ),
    "POST console.remove_segment": Case(
        ((create_segment, ["createSegment"]), (post("/segments/1/remove/"), ["deleteSegment"])),
        (post("/segments/1/remove/"),),
    ),
    "POST console.new_template": Case(
        ((fill_in("/templates/new/", name="b", text="Hi"), ["createTemplate"]),),
        (post("/templates/new/", {"name": "b", "text": "Hi"}), post("/templates/new/")),
    ),
    "POST console.edit_template": Case(
        (
            (create_template, ["createTemplate"]),
            (edit("template", "/templates/1/edit/", {"name": "a", "text": "Hi"}), ["updateTemplate"]),
        ),
        (
            edit("template", "/templates/1/edit/", {"name": "a", "text": "Hi"}),
            post("/templates/1/edit/", {"name": "a", "text": "stale"}),
        ),
    ),
    "POST console.remove_template": Case(
        ((create_template, ["createTemplate"]), (post("/templates/1/remove/"), ["deleteTemplate"])),
        (post("/templates/1/remove/"),),
    ),
    "POST console.number_list_file": Case(
        ((send_numbers, ["createNumberList"]),), (send_numbers, send("POST", "/number-lists/file/?name=", data=b"x"))
    ),
    "POST console.remove_number_list": Case(
        ((send_numbers, ["createNumberList"]), (post("/number-lists/1/remove/"), ["deleteNumberList"])),
        (post("/number-lists/77/remove/"),),
    ),
    "POST console.erase_number": Case(
        ((fill_in("/numbers/79000000001/erase/", **ERASURE_FORM), ["eraseNumber"]),),
        (post("/numbers/79000000001/erase/", ERASURE_FORM | {"confirm": "79000000002"}),),
    ),
    "POST console.sending_rules": Case(
        ((fill_in("/sending-rules/", **CAP_FORM), ["updateSendingRules"]),),
        (fill_in("/sending-rules/", **CAP_FORM), post("/sending-rules/", CAP_FORM)),
    ),
    "POST console.keyword_replies": Case(
        ((fill_in("/sending-rules/replies/", **{"help.en": "Example Ltd."}), ["updateSendingRules"]),),
        (fill_in("/sending-rules/replies/", **{"help.en": "Example Ltd."}), post("/sending-rules/replies/")),
    ),
    "POST console.new_holiday_calendar": Case(
        ((fill_in("/holiday-calendars/new/", **CALENDAR_FORM), ["createHolidayCalendar"]),),
        (fill_in("/holiday-calendars/new/", **CALENDAR_FORM), post("/holiday-calendars/new/")),
    ),
    "POST console.edit_holiday_calendar": Case(
        (
            (create_calendar, ["createHolidayCalendar"]),
            (fill_in("/holiday-calendars/1/edit/", **CALENDAR_FORM), ["updateHolidayCalendar"]),
        ),
        (fill_in("/holiday-calendars/1/edit/", **CALENDAR_FORM), post("/holiday-calendars/1/edit/")),
    ),
    "POST console.remove_holiday_calendar": Case(
        (
            (create_calendar, ["createHolidayCalendar"]),
            (fill_in("/holiday-calendars/1/remove/"), ["deleteHolidayCalendar"]),
        ),
        (post("/holiday-calendars/1/remove/"),),
    ),
    "POST console.new_suppression": Case(
        ((fill_in("/suppressions/new/", phone_number="79161230001"), ["createSuppression"]),),
        (fill_in("/suppressions/new/", phone_number="79161230001"), post("/suppressions/new/")),
    ),
    "POST console.lift_suppression": Case(
        (
            (suppress, ["createSuppression"]),
            (fill_in("/suppressions/1/lift/", evidence="letter 118"), ["liftSuppression"]),
        ),
        (post("/suppressions/1/lift/", {"evidence": "again"}), post("/suppressions/1/lift/")),
    ),
    "POST console.suppressions_file": Case(
        ((send_suppressions, ["importSuppressions"]),),
        (send_suppressions, send("POST", "/suppressions/file/", data="a", content_type="text/csv")),
    ),
    "POST console.new_consent": Case(
        ((fill_in("/consents/new/", **CONSENT_FORM), ["createConsent"]),),
        (fill_in("/consents/new/", **CONSENT_FORM), post("/consents/new/")),
    ),
    "POST console.withdraw_consent": Case(
        (
            (fill_in("/consents/new/", **CONSENT_FORM), ["createConsent"]),
            (fill_in("/consents/1/withdraw/", evidence="letter 118"), ["withdrawConsent"]),
        ),
        (post("/consents/1/withdraw/", {"evidence": "again"}), post("/consents/1/withdraw/")),
    ),
    "POST console.consents_file": Case(
        ((send_consents, ["importConsents"]),),
        (send_consents, send("POST", "/consents/file/", data="a", content_type="text/csv")),
    ),
    "POST console.condition_part": Case((), (post("/segments/conditions/", SEGMENT_FORM),)),
    "POST console.segment_count_part": Case((), (post("/segments/count/", SEGMENT_FORM),)),
    "POST console.segment_count": Case((), (post("/segments/77/count/"),)),
    "POST console.template_preview_part": Case((), (post("/templates/preview/", {"text": "Hi"}),)),
    "POST console.edit_mailing": Case(
        ((edit_mailing, ["updateMailing"]),), (edit_mailing, post("/mailings/1/edit/", MAILING_FORM | {"text": "x"}))
    ),
    "POST console.estimate_part": Case((), (post("/mailings/estimate/", MAILING_FORM),)),
    "POST console.mailing_test": Case(
        ((send_test, ["testMailing"]),),
        (post("/mailings/1/test/", {"phone_number": "79169999999"}),),
    ),
    f"POST console.mailing_action {MailingAction.APPROVE}": Case(
        ((approve_by_form, ["approveMailing"]),), (approve_by_form, post("/mailings/1/approve/"))
    ),
    f"POST console.mailing_action {MailingAction.PAUSE}": Case(
        ((post("/mailings/1/pause/"), ["pauseMailing"]),), (post("/mailings/1/pause/"),)
    ),
    f"POST console.mailing_action {MailingAction.RESUME}": Case(
        ((post("/mailings/2/pause/"), ["pauseMailing"]), (post("/mailings/2/resume/"), ["resumeMailing"])),
        (post("/mailings/2/resume/"),),
    ),
    f"POST console.mailing_action {MailingAction.CANCEL}": Case(
        ((post("/mailings/2/cancel/"), ["cancelMailing"]),), (post("/mailings/2/cancel/"),)
    ),
    f"POST console.mailing_action {MailingAction.RETRY_FAILED}": Case(
        ((post("/mailings/2/retry-failed/"), ["retryMailing"]),),
        (post("/mailings/2/retry-failed/"), post("/mailings/1/retry-failed/")),
    ),
    f"POST console.mailing_action {MailingAction.RETRY_UNKNOWN}": Case(
        ((post("/mailings/2/retry-unknown/"), ["retryMailing"]),), (post("/mailings/2/retry-unknown/"),)
    ),
    f"POST console.mailing_action {MailingAction.REMOVE}": Case(
        tuple((post(f"/mailings/{id_}/remove/"), ["deleteMailing"]) for id_ in (1, 2)),
        tuple(post(f"/mailings/{id_}/remove/") for id_ in (1, 2)),
    ),
}
CALLBACK_CASES = {
    f"POST callbacks.{kind}": Case((), (send("POST", f"/v1/{kind}/default/token"),)) for kind in ("receipt", "inbound")
}
"""Those of providers are not in the audit, and here nobody may call: tests/integration/api/test_callbacks.py."""
RECIPIENT_CASES = {"POST opt_out.act": Case((), (send("POST", "/opt-out/token"),))}
"""They are recorded as suppressions, and not in the audit: tests/integration/api/test_opt_out.py."""
SIGN_IN_CASES = {
    "GET sign_in.page": Case(
        ((open_link, ["createSignInLink", "signIn"]),), (send("GET", "/login/"), send("GET", "/login/?link=wrong"))
    ),
    "POST sign_in.login": Case(
        (
            (sign_in_with_key, ["signIn"]),
            (sign_in_with_link_instead, ["signIn", "createKey", "createSignInLink", "signIn"]),
        ),
        (sign_in_with_wrong_key,),
    ),
    "POST sign_in.logout": Case(
        ((sign_out, ["signIn", "signOut"]),), (send("POST", "/logout/"),), ends_as_it_began=True
    ),
    "GET sign_in.to_provider": Case((), (go_to_provider,)),
    "GET sign_in.from_provider": Case(
        ((return_from_provider, ["signIn"]),), (send("GET", "/login/provider/back/?state=x&code=y"),)
    ),
}
COMMAND_CASES = {
    "flask key create": Case(((run("key", "create", "x"), ["createKey"]),)),
    "flask key list": Case((), (run("key", "list"),)),
    "flask key revoke": Case(
        ((run("key", "create", "x"), ["createKey"]), (run("key", "revoke", "1"), ["revokeKey"])),
        (run("key", "revoke", "1"),),
    ),
    "flask ledger after-restore": Case(
        ((run("ledger", "after-restore"), ["afterRestore"]),), (run("ledger", "after-restore"),)
    ),
    "flask make-credentials-key": Case((), (make_key,)),
    "flask rotate-credentials": Case(
        ((create_gateway, ["createGateway"]), (run("rotate-credentials"), ["rotateCredentials"])),
    ),
    "flask verify": Case((), (run("verify"),)),
    "flask ledger reopen": Case(((reopen_one, ["reopenMailings"]),), (run("ledger", "reopen"),)),
}
READ_CASES = {
    "GET Numbers.NumberEvidence": Case(
        ((send("GET", "/v1/number/79000000001/evidence/"), ["getNumberEvidence"]),),
        (send("GET", "/v1/number/5/evidence/"),),
        ends_as_it_began=True,
    ),
}
"""Reads that are in the audit."""
CASES = READ_CASES | API_CASES | CALLBACK_CASES | RECIPIENT_CASES | CONSOLE_CASES | SIGN_IN_CASES | COMMAND_CASES


@pytest.fixture(scope="module")
def audited_app(database_url: str) -> Iterator[Flask]:
    with OpenIdProvider() as provider:
        settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        yield create_app(
            ApiSettings(
                database_url=parse_database_url(database_url),
                provider=settings,
                cipher=CredentialCipher([Fernet.generate_key().decode()]),
                gateway_networks=allowed_networks("127.0.0.0/8"),
            )
        )


@pytest.fixture
def service(
    audited_app: Flask, clean_database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> Service:
    monkeypatch.setattr(rate_limiter, "by_sign_in_address", rate_limiter.RateLimiter())
    api = caller(audited_app)
    add_clients(connection, 2)
    add_mailing(api)
    add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 1")
    execute(connection, "UPDATE message SET status = 'unknown', ended_at = now() WHERE id = 2")
    execute(connection, "UPDATE mailing SET launched_at = now() WHERE id = 2")
    add_inbound_message(connection)
    return Service(audited_app, api, connection)


def operations(app: Flask) -> set[str]:
    """All that an application takes which may change something: also the GETs that sign in."""
    found = set()
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            is_audited_read = f"{method} {rule.endpoint}" in READ_CASES
            if method not in SAFE_METHODS or rule.endpoint.startswith("sign_in.") or is_audited_read:
                found.add(f"{method} {rule.endpoint}")
    actions = {f"POST console.mailing_action {action}" for action in MailingAction}
    return found - {"POST console.mailing_action"} | actions


def commands(group: click.Group, *path: str) -> set[str]:
    """The commands of `flask`, by their whole names."""
    found: set[str] = set()
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, *path, name)
        else:
            found.add(" ".join(("flask", *path, name)))
    return found


def test_there_is_a_case_for_every_operation_and_every_command(audited_app: Flask) -> None:
    own = {name for name in commands(audited_app.cli) if name.split()[1] not in NOT_DATA}
    assert set(CASES) == operations(audited_app) | own


@pytest.mark.parametrize("name", CASES)
def test_what_changes_something_has_one_entry_and_what_does_not_has_none(service: Service, name: str) -> None:
    case = CASES[name]
    for act, expected in case.acts:
        before, last = service.everything(), service.last_entry()
        act(service)
        assert service.operations_since(last) == expected
        assert (service.everything() == before) is case.ends_as_it_began
    for act in case.idle:
        before, last = service.everything(), service.last_entry()
        act(service)
        assert service.operations_since(last) == []
        assert service.everything() == before
