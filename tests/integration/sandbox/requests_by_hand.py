"""Requests to each contract of the simulated gateway, as its documentation shows them: no adapter of ours, no SDK."""

import json
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from sandbox.simulated_gateway.client import SandboxGateway
from tests.waiting import PATIENCE

TOKEN = "a-token+with/signs="
PHONE = "79001234567"
TEXT = "Ваш заказ готов"
ACCOUNT = "AC" + "0123456789abcdef" * 2
ACCOUNT_PATH = f"/2010-04-01/Accounts/{ACCOUNT}"


class Answered(NamedTuple):
    """The answer to a request."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    gateway: SandboxGateway, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
) -> Answered:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body.encode(), headers or {})
        response = connection.getresponse()
        return Answered(response.status, dict(response.headers), response.read().decode())
    finally:
        connection.close()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def twilio(gateway: SandboxGateway, token: str = TOKEN, **fields: str) -> Answered:
    given = {"To": f"+{PHONE}", "From": "+15005550006", "Body": TEXT, **fields}
    form = urlencode({name: value for name, value in given.items() if value})
    headers = basic(ACCOUNT, token) | {"Content-Type": "application/x-www-form-urlencoded"}
    return call(gateway, "POST", f"{ACCOUNT_PATH}/Messages.json", form, headers)


def twilio_get(gateway: SandboxGateway, path: str) -> Answered:
    return call(gateway, "GET", ACCOUNT_PATH + path, headers=basic(ACCOUNT, TOKEN))


def infobip(gateway: SandboxGateway, message_id: str | None = "1", token: str = TOKEN, to: str = PHONE) -> Answered:
    destination = {"to": to} if message_id is None else {"to": to, "messageId": message_id}
    message = {"sender": "Gonets", "destinations": [destination], "content": {"text": TEXT}}
    return infobip_raw(gateway, json.dumps({"messages": [message]}), token)


def infobip_raw(gateway: SandboxGateway, body: str, token: str = TOKEN) -> Answered:
    headers = {"Authorization": f"App {token}", "Content-Type": "application/json"}
    return call(gateway, "POST", "/sms/3/messages", body, headers)


def infobip_get(gateway: SandboxGateway, path: str) -> Answered:
    return call(gateway, "GET", path, headers={"Authorization": f"App {TOKEN}"})


def smsc(gateway: SandboxGateway, token: str = TOKEN, **fields: str) -> Answered:
    given = {"login": "sandbox", "psw": token, "phones": PHONE, "mes": TEXT, "charset": "utf-8", "fmt": "3", **fields}
    return call(gateway, "POST", "/sys/send.php", urlencode(given))


def smsc_status(gateway: SandboxGateway, message_id: str, phone: str = PHONE, token: str = TOKEN) -> Answered:
    given = {"login": "sandbox", "psw": token, "phone": phone, "id": message_id, "fmt": "3"}
    return call(gateway, "GET", f"/sys/status.php?{urlencode(given)}")


def kannel(gateway: SandboxGateway, token: str = TOKEN, **fields: str) -> Answered:
    given = {"username": "sandbox", "password": token, "to": PHONE, "from": "Gonets", "text": TEXT, **fields}
    given = {name: value for name, value in given.items() if value}
    return call(gateway, "GET", f"/cgi-bin/sendsms?{urlencode(given, quote_via=quote)}")


SEND: dict[str, Callable[[SandboxGateway], Answered]] = {
    "twilio": twilio,
    "infobip": lambda gateway: infobip(gateway, None),
    "smsc": smsc,
    "kannel": kannel,
}
"""A valid submission of each contract."""
