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
from shared.domain.client_rules import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER, TIMEZONES
from shared.domain.field_types import FieldType
from shared.domain.local_windows import WEEKDAYS
from shared.domain.segments.parser import MAX_LENGTH
from shared.domain.suppressions import SuppressionScope
from shared.gateways.registry import PROVIDERS
from tests import factories
from tests.database import DatabaseCleaner, connected
from tests.integration.api.calls import API_KEY
from tests.long_variations import few_of

CONFIG: dict[str, Any] = {
    "seed": 20220602,
    "generation": {"max-examples": 2, "deterministic": True, "database": "none"},
    "cache": {"enabled": False},
    "auth": {"openapi": {"key": {"bearer": API_KEY}}},
    "checks": {
        # An If-Match that is made up is well-formed and names nothing: 412 is the right answer to it.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "412"]},
        "max_response_time": 10,
    },
    # A key that is deleted is revoked: it can still be read, and says so.
    "operations": [
        {"include-path-regex": "^/v1/key/", "checks": {"use_after_free": {"enabled": False}}},
        # The examples of all parameters come without a body.
        {
            "include-path-regex": "^/v1/((client|suppression|consent)/import|number-list/create)/$",
            "phases": {"examples": {"enabled": False}},
        },
    ],
}

AT_LIMITS = r"^/v1/(client|mailing)/(create/|\{\w+\}/)?$"
QUICK = CONFIG | {
    "phases": {"coverage": {"enabled": False}},
    "operations": [
        *CONFIG["operations"],
        {"include-path-regex": AT_LIMITS, "phases": {"coverage": {"enabled": True}}},
    ],
}
"""The examples of the document and random values; the values at and beyond each limit, which take most of the time, for
the operations of the specification only.
"""

QUOTE = b'"'
LATEST = "9998-12-31T23:59:59.999999Z"


def agree(case: schemathesis.Case[Any]) -> None:
    """Makes the fields of a request agree where JSON Schema can't ask for it; wrong ones stay wrong."""
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        # Made up ones come twice, with other bodies, which is refused.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    body = case.body
    if case.path.startswith("/v1/number-list/") and isinstance(body, str | bytes | Binary):
        case.body = Binary(b"79161234567\n" + as_bytes(body).replace(QUOTE, b""))
    elif case.media_type == "text/csv" and isinstance(body, str | bytes | Binary):
        named = b"given_at,method,wording" if "consent" in case.path else b"operator_code,tag,timezone"
        case.body = Binary(b"phone_number," + named + b"\n" + as_bytes(body).replace(QUOTE, b""))
    if case.method == "DELETE" and str(case.path_parameters.get("client_field_id")) in ("1", "2", "3", "4"):
        # Examples of other operations name the fields that the migrations declare.
        case.path_parameters["client_field_id"] = 77
    if not isinstance(body, dict):
        return
    if case.path.endswith("/erase/") and is_phone_number(body.get("confirm")):
        number = case.path_parameters["phone_number"]
        if is_id(number) or (isinstance(number, str) and number.isdecimal()):
            body["confirm"] = case.path_parameters["phone_number"] = 79_161_234_567
    phone, code = re.sub("[ +]", "", str(body.get("phone_number"))), body.get("operator_code")
    if isinstance(code, str) and re.fullmatch("[0-9]{1,15}", code) and code not in phone:
        body["operator_code"] = phone[:3]
    agree_on_gateways(body)
    agree_on_records(body)
    agree_on_fields(body)
    if case.path.startswith("/v1/segment/"):
        agree_on_segment(body, "segment" if "count" in case.path else "text", case.method)
    if case.path.startswith("/v1/mailing/"):
        agree_on_audience(body)
    agree_on_rules(case, body)
    start, end = body.get("start_datetime"), body.get("end_datetime")
    with suppress(TypeError, ValueError):
        before, after = datetime.fromisoformat(str(start)), datetime.fromisoformat(str(end))
        if before >= after:
            body["start_datetime"], body["end_datetime"] = end, start if before > after else LATEST


def agree_on_audience(body: dict[str, Any]) -> None:
    """Makes a mailing's audience one mark, since no segment is there. What has a wrong type stays wrong."""
    whole = "start_datetime" in body and "end_datetime" in body
    if whole and "template_id" not in body:
        body.setdefault("text", "Hello")
    mark, segment, segment_id = body.get("mark", ""), body.get("segment", ""), body.get("segment_id")
    if isinstance(segment, str) and "segment" in body and "\0" not in segment:
        body["segment"] = None
    if type(segment_id) is int and 0 < segment_id < 2**63:
        body["segment_id"] = None
    excluded = body.get("excluded_segment_ids")
    ids = isinstance(excluded, list) and all(type(one) is int and 0 < one < 2**63 for one in excluded)
    if isinstance(excluded, list) and ids and len(excluded) <= 20:
        body["excluded_segment_ids"] = []
    if isinstance(mark, str) and not mark.strip() and (whole or "mark" in body):
        body["mark"] = "vip"
    if is_id(body.get("template_id")) or body.get("template_id", 0) is None:
        del body["template_id"]
        body.setdefault("text", "Hello")


def agree_on_gateways(body: dict[str, Any]) -> None:
    """Makes a gateway one that its provider takes, and the gateways of a route those that there are."""
    for name in {"options", "credentials"} & body.keys():
        values = body[name]
        if isinstance(values, dict) and all(isinstance(text, str) and "\0" not in text for text in values.values()):
            body[name] = {"token": "x"} if name == "credentials" else {}
    if body.get("provider") in list(PROVIDERS):
        body["provider"] = "gonets"
        body.setdefault("credentials", {"token": "x"})
    for name in ("receipts", "poll_receipts"):  # that provider reports no deliveries, and cannot be asked
        if body.get(name) is True:
            body[name] = False
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


def agree_on_records(body: dict[str, Any]) -> None:
    """Gives a suppression of a gateway that gateway, and no other one, and lets nothing happen in the future."""
    if body.get("scope") == "gateway":
        body["gateway"] = "default"
    elif body.get("scope") in list(SuppressionScope) and isinstance(body.get("gateway"), str):
        body["gateway"] = None if "\0" not in body["gateway"] else body["gateway"]
    for name, past in (("given_at", "2022-06-01T09:00:00Z"), ("withdrawn_at", "2022-06-02T09:00:00Z")):
        with suppress(TypeError, ValueError):
            if datetime.fromisoformat(str(body.get(name))).tzinfo is not None:
                body[name] = past


def agree_on_rules(case: schemathesis.Case[Any], body: dict[str, Any]) -> None:
    """Makes a local window and a limit whole, with no calendar, and gives a calendar either its days or a country. A
    default time zone is one that there is.
    """
    zone = body.get("default_timezone")
    if isinstance(zone, str) and "\0" not in zone:
        body["default_timezone"] = "Europe/Moscow"
    window = {"local_from", "local_until", "local_weekdays"} & body.keys()
    if window and all(is_of_window(body[name]) for name in window):
        body |= {"local_from": "09:00", "local_until": "21:00", "local_weekdays": ["monday"]}
    if is_id(body.get("holiday_calendar_id")):
        body["holiday_calendar_id"] = None
    of_all = "daily_spending_limit" if case.path.startswith("/v1/sending-rules/") else "spending_limit"
    limit, currency = body.get(of_all, "1"), body.get("spending_currency", "EUR")
    is_limit = limit is None or (isinstance(limit, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", limit))
    is_currency = currency is None or (isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency))
    if {of_all, "spending_currency"} & body.keys() and is_limit and is_currency:
        body[of_all], body["spending_currency"] = "1", "EUR"
    for name, key, limit in (("caps", "period_hours", 10), ("days", "day", 1000)):
        listed = body.get(name)
        if isinstance(listed, list) and len(listed) > limit:
            body[name] = [{}] * (limit + 1)  # as wrong, and no larger than a body may be
        elif isinstance(listed, list) and all(isinstance(one, dict) and key in one for one in listed):
            body[name] = list({repr(one[key]): one for one in listed}.values())
    if case.path.startswith("/v1/holiday-calendar/") and case.method == "POST":
        country, years, part = body.get("country", "FR"), body.get("years", []), body.get("subdivision")
        is_country = isinstance(country, str) and re.fullmatch("[A-Z]{2}", country)
        is_part = part is None or (isinstance(part, str) and len(part) <= 10 and "\0" not in part)
        if is_country and is_part and isinstance(years, list) and all(type(one) is int for one in years):
            for name in ("country", "years", "subdivision"):
                body.pop(name, None)
            body.setdefault("days", [])


def is_of_window(value: object) -> bool:
    """Whether a value is one that some field of a local window takes."""
    if isinstance(value, list):
        return 0 < len(value) <= 7 and all(day in WEEKDAYS for day in value) and len(set(value)) == len(value)
    return value is None or (
        isinstance(value, str) and bool(re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]|24:00", value))
    )


def agree_on_fields(body: dict[str, Any]) -> None:
    """Makes a field of clients one that can be, with a name of its own, and attributes those of declared fields."""
    name = body.get("name")
    if body.get("type") in list(FieldType) and isinstance(name, str) and re.fullmatch(r"[^\0]{1,40}", name):
        body["name"] = f"f{uuid.uuid4().hex}"
    if body.get("repeats_yearly") is True:
        body["repeats_yearly"] = False
    if isinstance(body.get("attributes"), dict):
        body["attributes"] = {"name": "Anna", "birthday": None}


def agree_on_segment(body: dict[str, Any], text: str, method: str) -> None:
    """Gives a segment once, in the language, and of what there is."""
    ids = body.get("excluded_segment_ids")
    if isinstance(ids, list) and len(ids) <= 20 and all(map(is_id, ids)):
        body["excluded_segment_ids"] = []
    written, tree, saved = body.get(text, ""), body.get("tree", {}), body.get("segment_id", 1)
    is_text = isinstance(written, str) and "\0" not in written and len(written) <= MAX_LENGTH
    if not (is_text and isinstance(tree, dict) and is_id(saved)):
        return
    given = {text, "tree", "segment_id"} & body.keys()
    for name in given:
        del body[name]
    if given or method != "PUT":
        body[text] = "name exists"


def is_phone_number(value: object) -> bool:
    """Whether a value is one that the field of a phone number takes: a number, or digits with blanks and a plus."""
    if isinstance(value, str):
        return re.fullmatch(r" *\+? *[1-9]( *[0-9]){6,14} *", value) is not None
    return type(value) is int and MIN_PHONE_NUMBER <= value <= MAX_PHONE_NUMBER


def is_id(value: object) -> bool:
    return type(value) is int and 1 <= value < 2**63


def is_listed(one: object) -> bool:
    """Whether it is a gateway as a route lists it."""
    weight = one.get("weight") if isinstance(one, dict) and one.keys() <= {"gateway", "weight"} else -1
    is_weight = weight is None or (type(weight) is int and 0 <= weight <= 10_000)
    return isinstance(one, dict) and isinstance(one.get("gateway"), str) and is_weight


def as_bytes(body: str | bytes | Binary) -> bytes:
    """A body of the format `binary`, or another one."""
    if isinstance(body, Binary):
        return bytes(body.data)
    return body if isinstance(body, bytes) else body.encode()


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
operations_at_limits = schemathesis.pytest.from_fixture("whole_document")
"""Read from the document when the test runs: found when tests are collected, they would be so in each process."""


@pytest.fixture(scope="module")
def app(database_url: str) -> Flask:
    """The application that is asked."""
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    return create_app(ApiSettings(database_url=parse_database_url(database_url), api_key=API_KEY, cipher=cipher))


@pytest.fixture(scope="module")
def document(app: Flask) -> schemathesis.BaseSchema:
    """What the application says of itself."""
    return read_document(app, QUICK)


@pytest.fixture(scope="module")
def whole_document(app: Flask) -> schemathesis.BaseSchema:
    """The same, with the values at the limits of every operation."""
    return read_document(app, CONFIG)


def read_document(app: Flask, config: dict[str, Any]) -> schemathesis.BaseSchema:
    read = schemathesis.openapi.from_wsgi("/docs/openapi.json", app, config=schemathesis.Config.from_dict(config))

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
    agree(case)  # the hook does not see the examples of the document
    case.call_and_validate(app=app)


@pytest.mark.long
@operations_at_limits.parametrize()
def test_every_operation_keeps_to_its_document_at_all_limits(
    case: schemathesis.Case[Any], app: Flask, begin: object
) -> None:
    agree(case)
    case.call_and_validate(app=app)


@pytest.mark.parametrize("sequences", few_of([10, 25], 10))
def test_operations_keep_to_their_document_one_after_another(
    sequences: int, app: Flask, document: schemathesis.BaseSchema, begin: Callable[[], None]
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
            max_examples=sequences,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
    )
