"""The gateways of a run: a simulated provider for each, whose ledger outlives its process, and their rows."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from sandbox.simulated_gateway.contracts.declared import TOML
from shared.credentials import CredentialCipher
from shared.gateways.base import DEFAULT_GATEWAY, DEFAULT_GATEWAY_ID
from tests.chaos.facts import AskedFor, GatewayFact, ReportedReceipt, Request
from tests.chaos.gateway import read, read_callbacks, read_look_ups
from tests.factories import add_gateway, execute, set_path

TOKEN = "right"
HOST = "127.0.0.1"
NETWORK = "127.0.0.0/8"
CREDENTIALS_KEY = "Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtISE="
SENDER = "Gonets"


class GatewayAccount(NamedTuple):
    """An account, besides the gateway `default`."""

    name: str
    provider: str
    secret: str
    """The name of its one credential."""
    written: str = "{}"
    """The credential, with the token put in."""
    options: Mapping[str, str] = {}
    receipts: bool = False

    def credentials(self, token: str) -> dict[str, str]:
        """As they are entered."""
        return {self.secret: self.written.format(token)}


ACCOUNT_SID = "AC" + "0" * 32
REPORTING = GatewayAccount("reporting", "twilio", "auth_token", options={"account_sid": ACCOUNT_SID}, receipts=True)
ASKED = GatewayAccount("asked", "infobip", "api_key", receipts=True)
PARTS = GatewayAccount("parts", "http", "credentials", "key = {}", {"contract": TOML}, receipts=True)
ACCOUNTS = (REPORTING, ASKED, PARTS)
"""All report deliveries: one that does not deduplicate, like `default`, which reports none; one that deduplicates and
that can be asked; and one that reports each part."""

CONTRACTS = {"twilio": "twilio", "infobip": "infobip", "http": "declared"}
"""The simulated contract, by provider."""


def body_of(gateway: GatewayFact, message_id: int, phone_number: int, text: str | None) -> str:
    """The body of a submission, as the contract of the gateway has it."""
    match gateway.provider:
        case "twilio":
            url = quote_plus(f"{gateway.receipt_url}?message={message_id}")
            return f"To=%2B{phone_number}&From={SENDER}&Body={quote_plus(text or '')}&StatusCallback={url}"
        case "http":
            own = {"to": phone_number, "from": SENDER, "text": text, "ref": message_id}
            return urlencode({**own, "callback": gateway.receipt_url})
        case "infobip":
            destination = {"to": str(phone_number), "messageId": str(message_id)}
            message = {"sender": SENDER, "destinations": [destination], "content": {"text": text}}
            webhooks = {"delivery": {"url": gateway.receipt_url}, "contentType": "application/json"}
            return _json({"messages": [message | ({"webhooks": webhooks} if gateway.receipts else {})]})
        case _:
            return _json({"id": message_id, "phone": phone_number, "text": text})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class SimulatedGateway:
    """A simulated provider that can be killed and started again on the same port."""

    def __init__(self, name: str, folder: Path) -> None:
        """Holds a port. The ledger is a file in `folder`."""
        self.name = name
        self._ledger = folder / f"gateway-{name}.jsonl"
        self._port = _hold_port()
        self._process: SandboxGateway | None = None
        self.runs = False

    @property
    def client(self) -> SandboxGateway:
        """Sets faults. Raises AssertionError before the first start."""
        assert self._process, f"{self.name} has been started"
        return self._process

    def start(self) -> None:
        """Starts it without faults. It must not run."""
        self.runs = True
        program = ("-m", "tests.chaos.gateway", "--ledger", str(self._ledger))
        self._process = SandboxGateway.start(TOKEN, self._port.getsockname()[1], program)

    def kill(self) -> None:
        """SIGKILL."""
        self.runs = False
        self.client.kill()

    def clear(self) -> None:
        """Ends its faults, its death included, and empties its ledger."""
        if not self.runs:
            self.start()
        self.client.clear()
        os.truncate(self._ledger, 0)

    def close(self) -> None:
        """Kills it and gives up its port."""
        if self.runs:
            self.kill()
        self._port.close()

    def requests(self) -> list[Request]:
        """The submissions that it has received, refused ones included, whether it runs or not."""
        return [Request(*entry, gateway=self.name) for entry in read(self._ledger)]

    def look_ups(self) -> list[AskedFor]:
        """The look-ups that it has received."""
        return [AskedFor(*look_up, gateway=self.name) for look_up in read_look_ups(self._ledger)]

    def receipts(self) -> list[ReportedReceipt]:
        """The receipts that it has planned, and what came of them."""
        return [ReportedReceipt(self.name, *callback) for callback in read_callbacks(self._ledger)]


def add_accounts(connection: Connection, gateways: Sequence[SimulatedGateway], rate: float = 0.0) -> dict[str, int]:
    """Adds the rows of ACCOUNTS, and answers the ids of all gateways. `rate`: requests a second to each; 0 is no limit.

    An equal share of the messages begins with each gateway: each is the first on one path.
    """
    urls = {gateway.name: gateway.client.url for gateway in gateways}
    cipher = CredentialCipher([CREDENTIALS_KEY])
    ids = {DEFAULT_GATEWAY: DEFAULT_GATEWAY_ID}
    for account in ACCOUNTS:
        ids[account.name] = add_gateway(connection, account.name, provider=account.provider, address=urls[account.name])
        execute(
            connection,
            "UPDATE gateway SET sender = %s, credentials = %s, options = %s, receipts = %s, rate = %s WHERE id = %s",
            SENDER,
            cipher.encrypt(account.credentials(TOKEN)),
            json.dumps(account.options),
            account.receipts,
            rate,
            ids[account.name],
        )
    default, *others = ids.values()
    set_path(connection, default, *others)
    for place, first in enumerate(others, 1):
        listed = [first, *[default, *others][place + 1 :], *[default, *others][:place]]
        execute(
            connection,
            "INSERT INTO path (route_id, gateway_ids, gateway_id) VALUES (1, %s::bigint[], %s)",
            listed,
            first,
        )
    return ids


def _hold_port() -> socket.socket:
    """A port that is bound and not listened on: a process that knows it can listen there, and the system gives it to
    nobody while it is refused.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    return held
