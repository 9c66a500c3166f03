"""Answers by the declared contract of docs/gateways/http-examples/json.toml, by the results that they have."""

from __future__ import annotations

from shared.gateways.base import Account
from tests.database import ROOT
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

EXAMPLES = ROOT / "docs" / "gateways" / "http-examples"

ACCOUNT = Account(
    address="http://gateway.example",
    sender="Gonets",
    credentials={"credentials": "api_key = s3cret-key\n"},
    options={"contract": (EXAMPLES / "json.toml").read_text()},
)


def about_message(status: int | str, http_status: int = 200, **fields: object) -> Answer:
    """An answer about our message, with a status of the contract's own."""
    message = {"reference": "{id}", "to": "{phone}", "status": status, **fields}
    return answer(http_status, {"messages": [message]})


def error(http_status: int, code: str, message: str = "", **fields: object) -> Answer:
    """An answer about the account."""
    return answer(http_status, {"error": {"code": code, "message": message, **fields}})


SAMPLES: Samples = {
    "accepted": [about_message(0, id="a1b2", parts=1, price="2.40"), about_message(0, 201, id=77)],
    "duplicate": [about_message(7, id="a1b2"), about_message(7, 409)],
    "refused": [about_message(10, description="no such number"), about_message(11, 400), answer(422)],
    "retriable": [about_message(20), answer(408)],
    "opted_out": [about_message(30, description="STOP")],
    "throttled": [
        error(429, "BUSY", wait=37),
        error(200, "BUSY"),
        answer(429, Retry_After="37"),
        answer(503, Retry_After="37"),
        error(429, "OTHER", wait=37),
    ],
    "misconfigured": [about_message(40), error(403, "SUSPENDED"), error(403, "ELSE"), answer(401)],
    "no_credit": [error(402, "POOR", "top up"), answer(402)],
    "ambiguous": [about_message(0, 500), about_message(99), error(200, "ELSE"), answer(503)],
    "other_id": [
        about_message(0, id="a1b2", reference="{id}1"),
        about_message(0, id="a1b2", to="7{phone}"),
        about_message(0, id="a1b2", to=["{phone}"]),
        about_message(10, 400, reference=1),
        answer(200, '{"messages": [{"to": "{phone}", "status": 0, "id": "1"}, {"to": "79", "status": 0, "id": "2"}]}'),
    ],
}
