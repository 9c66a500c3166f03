"""The calls that are made with each generated client, in their order: all operations of the document, and refusals."""

from __future__ import annotations

from typing import Any, NamedTuple

CLIENT = {"phone_number": 79161234567, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}
MAILING = {
    "start_datetime": "2032-06-02T18:25:43.511Z",
    "text": "Привет!",
    "mark": "vip",
    "end_datetime": "2032-06-03T18:25:43.511Z",
}
PRICED = {"segment_price": "0.045", "currency": "EUR"}

GATEWAY = {
    "name": "second",
    "provider": "gonets",
    "address": "http://127.0.0.1:9",
    "credentials": {"token": "secret"},
    "segment_price": "0.045",
    "currency": "EUR",
}
CSV = "phone_number,operator_code,tag,timezone\n79161234568,916,vip,Mars\n79161234569,916,vip,UTC\n"


class Call(NamedTuple):
    """One call. `etag_of_call` is the number of the call whose ETag is sent as If-Match."""

    operation: str
    status: int
    arguments: dict[str, Any] = {}
    """Of the path, the query and the headers, by their names in the document."""
    body: Any = None
    etag_of_call: int | None = None


CALLS = [
    Call("createClient", 201, {"Idempotency-Key": "one"}, CLIENT),
    Call("createClient", 201, {"Idempotency-Key": "one"}, CLIENT),
    Call("createClient", 409, {}, CLIENT),
    Call("createClient", 422, {}, CLIENT | {"timezone": "Mars"}),
    Call("createClient", 201, {}, CLIENT | {"phone_number": "+79161234500"}),
    Call("listClients", 200, {"limit": 2, "after": 0, "tag": "vip", "operator_code": "916"}),
    Call("listClients", 200, {"phone_number": 79161234567}),
    Call("getClient", 200, {"client_id": 3}),
    Call("getClient", 404, {"client_id": 1_000_000_000_000}),
    Call("updateClient", 200, {"client_id": 3}, CLIENT | {"tag": "regular"}, etag_of_call=0),
    Call("updateClient", 412, {"client_id": 3}, CLIENT, etag_of_call=0),
    Call("importClients", 200, {}, CSV),
    Call("exportClients", 200),
    Call("planMailing", 200, {}, {"mark": "vip", "text": "Hello"}),
    Call("planMailing", 200, {}, MAILING),
    Call("planMailing", 200, {}, {}),
    Call("createMailing", 201, {}, MAILING),
    Call("listMailings", 200),
    Call("getMailing", 200, {"mailing_id": 2}),
    Call("updateMailing", 200, {"mailing_id": 2}, MAILING | {"on_unknown": "hold"}),
    Call("testMailing", 201, {"mailing_id": 2}, {"phone_number": 79161234567}),
    Call("createDraft", 201, {}, {"text": "Привет!", "mark": "vip"}),
    Call("listDrafts", 200),
    Call("updateDraft", 200, {"draft_id": 1}, MAILING),
    Call("listDraftVersions", 200, {"draft_id": 1}),
    Call("sendDraft", 201, {"draft_id": 1}, {"audience": 10, "confirm": ["nobody_matches"]}),
    Call("getDraft", 200, {"draft_id": 1}),
    Call("undoMailing", 200, {"mailing_id": 4}),
    Call("deleteDraft", 204, {"draft_id": 1}),
    Call("pauseMailing", 200, {"mailing_id": 2}),
    Call("resumeMailing", 200, {"mailing_id": 2}),
    Call("cancelMailing", 200, {"mailing_id": 2}),
    Call("pauseMailing", 409, {"mailing_id": 2}),
    Call("retryMailing", 200, {"mailing_id": 1}, {"status": "failed"}),
    Call("resolveMessage", 200, {"message_id": 2}, {"outcome": "arrived"}),
    Call("listMailingJournal", 200, {"mailing_id": 1}),
    Call("listMailingMessages", 200, {"mailing_id": 1, "status": "sent"}),
    Call("listMessages", 200, {"mailing_id": 1, "status": "pending"}),
    Call("listMessages", 200, {"phone_number": 79000000001, "client_id": 1}),
    Call("getMessage", 200, {"message_id": 2}),
    Call("getStatistics", 200),
    Call("createGateway", 201, {"Idempotency-Key": "gateway"}, GATEWAY),
    Call("createGateway", 409, {}, GATEWAY),
    Call("createGateway", 422, {}, GATEWAY | {"address": "http://10.0.0.1"}),
    Call("listGateways", 200),
    Call("getGateway", 200, {"gateway_id": 2}),
    # One of the clients sends null for each field that may be null and is not given; a currency cannot be removed.
    Call("updateGateway", 200, {"gateway_id": 2}, {"rate": 5.5, "concurrency": 8, **PRICED}),
    Call("testGateway", 201, {"gateway_id": 2}, {"phone_number": 79161234567, "text": "A test"}),
    Call("pauseGateway", 200, {"gateway_id": 1}),
    Call("resumeGateway", 200, {"gateway_id": 1}),
    Call("deleteGateway", 409, {"gateway_id": 2}),
    Call(
        "createRoute",
        201,
        {},
        {"name": "abroad", "gateways": [{"gateway": "second", "weight": 1}], "prefixes": ["380"]},
    ),
    Call("createRoute", 409, {}, {"name": "other", "gateways": [{"gateway": "default"}], "prefixes": ["380"]}),
    Call("listRoutes", 200),
    Call("updateRoute", 200, {"route_id": 2}, {"gateways": [{"gateway": "default"}], "operator_codes": ["50"]}),
    Call("getRoute", 200, {"route_id": 2}),
    Call("deleteRoute", 204, {"route_id": 2}),
    Call("listProviders", 200),
    Call("createKey", 201, {}, {"name": "a test", "role": "viewer", "expires_at": "2032-06-02T18:25:43.511Z"}),
    Call("createKey", 201, {}, {"name": "another test", "role": "operator", "expires_at": None}),
    Call("listKeys", 200),
    Call("getKey", 200, {"key_id": 1}),
    Call("revokeKey", 204, {"key_id": 1}),
    Call("createSignInLink", 201),
    Call("listAudit", 200, {"operation": "createClient", "since": "2022-06-02T18:25:43.511Z"}),
    Call("listAudit", 200),
    Call("deleteMailing", 204, {"mailing_id": 2}),
    Call("deleteClient", 204, {"client_id": 3}),
]
