"""The API against its own OpenAPI document: schemathesis makes the requests up, and every check of its is on."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import hypothesis
import pytest
import schemathesis
from cryptography.fernet import Fernet
from flask import Flask
from hypothesis import strategies
from psycopg2.extensions import connection as Connection  # noqa: N812
from schemathesis.transport.serialization import Binary

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from shared.credentials import CredentialCipher
from shared.domain.client_rules import TIMEZONES
from shared.gateways.registry import PROVIDERS
from tests import factories
from tests.database import DatabaseCleaner, connected
from tests.integration.api.calls import API_KEY

CONFIG = {
    "seed": 20220602,
    "generation": {"max-examples": 3, "deterministic": True, "database": "none"},
    "cache": {"enabled": False},
    "auth": {"openapi": {"key": {"bearer": API_KEY}}},
    "checks": {
        # An If-Match that is made up is well-formed and names nothing: 412 is the right answer to it.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "412"]},
        "max_response_time": 10,
    },
    # A key that is deleted is revoked: it can be read for ever, and says so.
    "operations": [{"include-path-regex": "^/v1/key/", "checks": {"use_after_free": {"enabled": False}}}],
}

QUOTE = b'"'
LATEST = "9998-12-31T23:59:59.999999Z"


def agree(case: schemathesis.Case[Any]) -> None:
    """Makes the fields of a request agree where JSON Schema can't ask for it; wrong ones stay wrong."""
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        # Made up ones come twice, with other bodies, which is refused.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    body = case.body
    if case.media_type == "text/csv" and isinstance(body, str):
        case.body = Binary(b"phone_number,operator_code,tag,timezone\n" + as_bytes(body).replace(QUOTE, b""))
    if not isinstance(body, dict):
        return
    phone, code = re.sub("[ +]", "", str(body.get("phone_number"))), body.get("operator_code")
    if isinstance(code, str) and re.fullmatch("[0-9]{1,15}", code) and code not in phone:
        body["operator_code"] = phone[:3]
    agree_on_gateways(body)
    start, end = body.get("start_datetime"), body.get("end_datetime")
    with suppress(TypeError, ValueError):
        before, after = datetime.fromisoformat(str(start)), datetime.fromisoformat(str(end))
        if before >= after:
            body["start_datetime"], body["end_datetime"] = end, start if before > after else LATEST


def agree_on_gateways(body: dict[str, Any]) -> None:
    """Makes a gateway one that its provider takes, and the gateways of a route those that there are."""
    for name in {"options", "credentials"} & body.keys():
        values = body[name]
        if isinstance(values, dict) and all(isinstance(text, str) and "\0" not in text for text in values.values()):
            body[name] = {"token": "x"} if name == "credentials" else {}
    if body.get("provider") in list(PROVIDERS):
        body["provider"] = "gonets"
        body.setdefault("credentials", {"token": "x"})
    address = body.get("address", "")
    if isinstance(address, str) and "\0" not in address and {"address", "provider"} & body.keys():
        body["address"] = "https://gateway.invalid"
    price, currency = body.get("segment_price", "0"), body.get("currency", "EUR")
    is_price = price is None or (isinstance(price, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", price))
    is_currency = currency is None or (isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency))
    if {"segment_price", "currency"} & body.keys() and is_price and is_currency:
        body["segment_price"], body["currency"] = "0.05", "EUR"
    listed = body.get("gateways")
    if isinstance(listed, list) and listed and all(map(is_listed, listed)):
        body["gateways"] = [{"gateway": "default"}]


def is_listed(one: object) -> bool:
    """Whether it is a gateway as a route lists it."""
    weight = one.get("weight") if isinstance(one, dict) and one.keys() <= {"gateway", "weight"} else -1
    is_weight = weight is None or (type(weight) is int and 0 <= weight <= 10_000)
    return isinstance(one, dict) and isinstance(one.get("gateway"), str) and is_weight


def as_bytes(body: str) -> bytes:
    """A body of the format `binary`, or another one."""
    return bytes(body.data) if isinstance(body, Binary) else body.encode()


schemathesis.openapi.format("timezone", strategies.sampled_from(sorted(TIMEZONES)[::50]))
MOMENTS = (
    r"(0[1-9]|[1-8][0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)
schemathesis.openapi.format("date-time", strategies.from_regex(MOMENTS, fullmatch=True))


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: Any, value: Any) -> bytes | None:
    """A string after a blank line, lest it is empty or is known for a picture by its first bytes. What is no string
    can't be sent as one, and nothing is sent.
    """
    return b"\n" + as_bytes(value) if isinstance(value, str) else None


operations = schemathesis.pytest.from_fixture("document")
"""Read from the document when the test runs: found when tests are collected, they would be so in each process."""


@pytest.fixture(scope="module")
def app(database_url: str) -> Flask:
    """The application that is asked."""
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    return create_app(ApiSettings(database_url=parse_database_url(database_url), api_key=API_KEY, cipher=cipher))


@pytest.fixture(scope="module")
def document(app: Flask) -> schemathesis.BaseSchema:
    """What the application says of itself."""
    read = schemathesis.openapi.from_wsgi("/docs/openapi.json", app, config=schemathesis.Config.from_dict(CONFIG))

    @read.hook
    def map_case(_: schemathesis.HookContext, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
        agree(case)
        return case

    return read


@pytest.fixture(autouse=True)
def nodeid(request: pytest.FixtureRequest) -> None:
    """Schemathesis 4.32 gives each operation a name of its own where pytest 9.2 no longer has one."""
    request.node._nodeid = request.node.nodeid


@pytest.fixture
def begin(database_url: str, database_cleaner: DatabaseCleaner) -> Iterator[Callable[[], None]]:
    """Leaves nothing in the database but three clients, and a launched mailing to them."""
    with connected(database_url) as connection:

        def begin() -> None:
            database_cleaner.empty()
            fill(connection)

        begin()
        yield begin


def fill(connection: Connection) -> None:
    factories.add_clients(connection, 3)
    factories.add_mailing(connection)
    factories.execute(
        connection, "INSERT INTO message (mailing_id, client_id, phone_number) SELECT 1, id, phone_number FROM client"
    )
    factories.execute(
        connection,
        """
        INSERT INTO api_key (prefix, key_hash, name, role, created_by) VALUES ('of nobody', '', 'old', 'viewer', 'test')
        """,
    )
    factories.execute(
        connection, "UPDATE mailing SET status = 'running', launch_started_at = now(), max_client_id = 3, audience = 3"
    )


@operations.parametrize()
def test_every_operation_keeps_to_its_document(case: schemathesis.Case[Any], app: Flask, begin: object) -> None:
    case.call_and_validate(app=app)


def test_operations_keep_to_their_document_one_after_another(
    app: Flask, document: schemathesis.BaseSchema, begin: Callable[[], None]
) -> None:
    class Callers(document.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            begin()

        def before_call(self, case: schemathesis.Case[Any]) -> None:
            agree(case)

        def get_call_kwargs(self, case: schemathesis.Case[Any]) -> dict[str, Any]:
            return {"app": app}

    Callers.run(
        settings=hypothesis.settings(
            max_examples=25,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
    )
