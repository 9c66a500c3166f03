"""Erasing a number: what is left, and that its suppressions hold when it comes into the directory again."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.numbers.schemas import REMAINS
from api.settings import ApiSettings
from shared.credentials import CredentialCipher
from shared.domain.reasons import Reason, ReasonCode
from shared.gateways.base import InboundPart
from shared.json_parameter import json_parameter
from shared.sql.suppressions import ADD_SUPPRESSIONS
from shared.sql.verify import SUPPRESSED_WITHOUT_SUPPRESSION
from tests.conftest import Connect
from tests.database import ROOT
from tests.factories import (
    add_mailing,
    add_running_mailing,
    begin_launch,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
    value,
)
from tests.inbound import add_inbound_message, forward
from tests.integration.api.calls import Answer, Caller, caller, client_body, wait_until_blocked, wrong_fields
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

OLD_KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
NUMBER = 79_000_000_001
"""Of the first client that tests/factories.py adds."""
OTHER = 79_000_000_002
WRITTEN = "8 (900) 000-00-01"
CSV = f"phone_number,operator_code,tag,timezone\n{NUMBER},900,sample,UTC\n{OTHER},900,sample,UTC\n"

MakeApi = Callable[..., Caller]


@cache
def application(url: str, keys: tuple[str, ...]) -> Flask:
    """An application with these keys, made once: a new one takes longer than a test."""
    cipher = CredentialCipher(list(keys))
    return create_app(ApiSettings(database_url=parse_database_url(url), cipher=cipher))


@pytest.fixture
def make_api(clean_database: str) -> MakeApi:
    """A caller of an application with these keys."""
    return lambda *keys: caller(application(clean_database, keys))


@pytest.fixture
def keyed(make_api: MakeApi) -> Caller:
    return make_api(OLD_KEY)


def erase(api: Caller, number: int = NUMBER, **given: Any) -> Answer:
    return api.post(f"/v1/number/{number}/erase/", json={"confirm": number, "reason": "asked for it", **given})


def suppress(connection: Connection, number: int = NUMBER, scope: str = "everything", **evidence: str) -> None:
    given = {"phone_number": number, "scope": scope, "reason": "opted_out", "source": "api", "evidence": evidence}
    execute(connection, ADD_SUPPRESSIONS.replace("%(suppressions)s", "%s"), json_parameter([given]))


def consent(connection: Connection, number: int = NUMBER) -> None:
    execute(
        connection,
        """
        INSERT INTO consent (phone_number, given_at, method, wording, source, evidence)
        VALUES (%s, now(), 'web form', 'I agree', 'api', %s)
        """,
        number,
        json_parameter({"form": f"sent by {WRITTEN}", "at": [number]}),
    )


def suppressions(connection: Connection) -> list[Any]:
    """Number, whether hashed, scope and whether in force, oldest first."""
    columns = "phone_number, number_hash IS NOT NULL, scope, lifted_at IS NULL"
    return rows(connection, f"SELECT {columns} FROM suppression ORDER BY id")  # noqa: S608  our columns


def everything_as_text(connection: Connection) -> dict[str, str]:
    tables = rows(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    whole = "SELECT coalesce(string_agg(t::text, chr(10)), '') FROM {} t"
    return {name: value(connection, whole.format(name)) for (name,) in tables}


def test_an_erased_number_is_nowhere_in_the_database_and_all_counts_stay(
    keyed: Caller, connection: Connection, queue: Queue, maintenance: Maintenance
) -> None:
    add_running_mailing(connection, 2, text="Hello {{ city }}", fields={"city": "text"})
    cities = "UPDATE client SET attributes = jsonb_build_object('city', CASE id WHEN 1 THEN 'Kazan' ELSE 'Perm' END)"
    execute(connection, cities)
    first, _ = queue.claim(2)
    queue.record([answer(first, "accepted")])
    execute(
        connection,
        "UPDATE attempt SET reason_code = 'provider_said', reason_params = %s",
        '{"words": "to 79000000001"}',
    )
    begin_launch(connection, add_mailing(connection, mark="nobody"))
    execute(connection, "INSERT INTO message (mailing_id, client_id, phone_number) VALUES (2, 1, %s)", NUMBER)
    execute(connection, "UPDATE mailing SET audience = 1 WHERE id = 2")
    consent(connection)
    suppress(connection, scope="marketing", note=f"asked on {WRITTEN}")
    add_inbound_message(connection, "my name is Vasily")
    execute(connection, "INSERT INTO number_list (name, numbers, is_complete) VALUES ('a list', 1, true)")
    execute(connection, "INSERT INTO number_list_entry VALUES (1, %s)", NUMBER)
    forward(
        connection, InboundPart(sender="+7 (900) 000-00-01", recipient="1001", text="Vasily", reference="1", parts=2)
    )

    erased = erase(keyed)

    assert erased.status_code == 200, erased.text
    assert erased.json == {
        **{"client_id": 1, "messages": 2, "messages_cancelled": 1, "messages_in_flight": 0, "inbound_messages": 1},
        **{"number_lists": 1, "consents": 1, "suppressions": 2, "suppression_recorded": True, "remains": list(REMAINS)},
    }
    assert wrong_fields(erase(keyed, reason=" ")) == {"reason"}
    found = everything_as_text(connection)
    assert [name for name, text in found.items() if re.search("9000000001|Kazan|Vasily|000-00-01", text)] == []
    assert [name for name, text in found.items() if WRITTEN in text] == []
    assert (message(connection, 1)["status"], message(connection, 1)["text_values"]) == ("sent", [None])
    assert (message(connection, 3)["status"], message(connection, 3)["reason_code"]) == ("cancelled", "number_erased")
    shown = keyed.get("/v1/message/1/").json
    assert (shown["phone_number"], shown["text"]) == (None, None)
    detail = value(connection, "SELECT detail FROM audit_entry ORDER BY id DESC LIMIT 1")
    assert detail["reason"] == "asked for it"
    assert detail["phone_number"] == "7***0001"
    maintenance.run()
    verified = keyed.application.test_cli_runner().invoke(args=["verify"])  # type: ignore[attr-defined]
    assert verified.exit_code == 0, verified.output


def test_an_erasure_names_the_number_again_and_needs_a_key(make_api: MakeApi, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    assert erase(make_api(OLD_KEY), confirm=OTHER).json["reason_code"] == "not_the_number_to_erase"
    refused = erase(make_api())
    assert (refused.status_code, refused.json["reason_code"]) == (409, "no_key_to_erase")
    assert make_api(OLD_KEY).post("/v1/number/5/erase/", json={"confirm": NUMBER, "reason": "x"}).status_code == 404
    assert message(connection, 1)["phone_number"] == NUMBER


def test_a_number_that_nothing_is_known_about_is_suppressed_unless_that_is_not_wanted(
    keyed: Caller, connection: Connection
) -> None:
    assert erase(keyed, suppress=False).json["suppression_recorded"] is False
    assert suppressions(connection) == []
    assert erase(keyed).json["suppression_recorded"] is True
    assert erase(keyed).json["suppression_recorded"] is False
    assert suppressions(connection) == [(None, True, "everything", True)]


def by_client(api: Caller) -> Answer:
    return api.post("/v1/client/create/", json=client_body(phone_number=NUMBER, operator_code="900", tag="sample"))


def by_change(api: Caller) -> Answer:
    other = client_body(phone_number=OTHER, operator_code="900", tag="sample")
    made = api.post("/v1/client/create/", json=other)
    return api.put(made.headers["Location"], json={**other, "phone_number": NUMBER})


def by_import(api: Caller) -> Answer:
    return api.post("/v1/client/import/", data=CSV, content_type="text/csv")


def by_import_of_values(api: Caller) -> Answer:
    data = f"phone_number,operator_code,tag,timezone,tags\n{NUMBER},900,sample,UTC,new\n"
    return api.post("/v1/client/import/", data=data, content_type="text/csv")


def by_number_list(api: Caller) -> Answer:
    query = {"name": "again", "create_clients": "true", "tag": "sample", "timezone": "UTC"}
    return api.post("/v1/number-list/create/", query_string=query, data=str(NUMBER), content_type="text/plain")


PATHS = {
    "api/clients/services.py": (by_client, by_change),
    "api/clients/import_sql.py": (by_import,),
    "api/clients/import_values_sql.py": (by_import_of_values,),
    "api/number_lists/sql.py": (by_number_list,),
}
"""The files that add clients, or give them another phone number, and what does so with each."""

ADDS = re.compile(
    r"INSERT INTO client\b|COPY client\b|UPDATE client\b[^;\"]*?\bphone_number = (?!%\(phone_number\)s\s*\n?WHERE)"
    r"|\binsert\(Client\)|\bClient\(\*\*|\bClient\(\w+=|update\(Client\)",
    re.DOTALL,
)


def test_there_is_no_other_way_into_the_directory() -> None:
    files = [file for folder in ("api", "shared", "worker") for file in (ROOT / folder).rglob("*.py")]
    adding = {str(file.relative_to(ROOT)) for file in files if ADDS.search(file.read_text())}
    # An erasure takes a number's place in the directory, and leaves it again.
    assert adding == {*PATHS, "shared/sql/erasure.py"}


@pytest.mark.parametrize("come_again", [way for ways in PATHS.values() for way in ways])
def test_a_suppression_holds_again_when_an_erased_number_is_added(
    come_again: Callable[[Caller], Answer],
    make_api: MakeApi,
    connection: Connection,
    queue: Queue,
    maintenance: Maintenance,
) -> None:
    consent(connection)
    erase(make_api(OLD_KEY))
    erase(make_api(OLD_KEY), OTHER, suppress=False)

    assert come_again(make_api(NEW_KEY, OLD_KEY)).status_code in (200, 201)

    assert suppressions(connection) == [(NUMBER, False, "everything", True)]
    assert rows(connection, "SELECT phone_number, number_hash FROM consent") == [(NUMBER, None)]
    add_mailing(connection)
    maintenance.run()
    assert [one.phone_number for one in queue.claim(10)] == ([OTHER] if come_again is by_import else [])
    [(status, reason)] = rows(connection, "SELECT status, reason_code FROM message WHERE phone_number = %s", NUMBER)
    assert (status, reason) == ("cancelled", "suppressed")


def test_no_client_is_added_while_the_key_is_missing(make_api: MakeApi, connection: Connection) -> None:
    erase(make_api(OLD_KEY))
    for come_again in (by_client, by_import):
        refused = come_again(make_api())
        assert (refused.status_code, refused.json["reason_code"]) == (409, "no_key_for_erased_numbers")
    assert value(connection, "SELECT count(*) FROM client") == 0


def test_of_a_suppression_recorded_again_meanwhile_one_stays_in_force(keyed: Caller, connection: Connection) -> None:
    erase(keyed)
    suppress(connection)
    suppress(connection, scope="marketing")

    by_client(keyed)

    assert suppressions(connection) == [
        (NUMBER, False, "everything", False),
        (NUMBER, False, "everything", True),
        (NUMBER, False, "marketing", True),
    ]


def test_what_is_recorded_or_lifted_meanwhile_is_one_with_what_was_erased(
    make_api: MakeApi, connection: Connection
) -> None:
    keyed = make_api(OLD_KEY)
    erase(keyed)
    body = {"phone_number": NUMBER, "scope": "everything", "reason": "opted_out", "evidence": {"note": "said so"}}
    recorded = keyed.post("/v1/suppression/create/", json=body)
    assert (recorded.status_code, recorded.json["id"]) == (200, 1)
    assert suppressions(connection) == [(NUMBER, False, "everything", True)]

    erase(keyed)
    suppress(connection)
    last = value(connection, "SELECT max(id) FROM suppression")
    assert keyed.post(f"/v1/suppression/{last}/lift/", json={"evidence": {"note": "wants it"}}).status_code == 200
    assert [in_force for *_, in_force in suppressions(connection)] == [False, False]


@pytest.mark.parametrize("end", ["accepted", "refused", "lease"])
def test_a_message_in_flight_is_finished_and_never_sent_again(
    end: str, keyed: Caller, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    # The client has another number meanwhile, so they stay.
    [claimed] = queue.claim(1)
    execute(connection, "UPDATE client SET phone_number = %s", OTHER)

    erased = erase(keyed).json

    assert (erased["messages"], erased["messages_in_flight"], erased["client_id"]) == (1, 1, None)
    assert message(connection, 1)["status"] == "sending"
    if end == "lease":
        expire_leases(connection)
        reclaim(queue)
    else:
        queue.record([answer(claimed, end)])
    found = message(connection, 1)
    expected = {
        "accepted": ("sent", None),
        "refused": ("cancelled", "number_erased"),
        "lease": ("unknown", "number_erased"),
    }
    assert (found["status"], found["reason_code"]) == expected[end]
    assert found["phone_number"] == 0
    assert value(connection, "SELECT count(*) FROM attempt") == 1
    make_due(connection)
    assert queue.claim(10) == []


def test_a_client_that_is_added_during_an_erasure_waits_for_it(
    keyed: Caller, connection: Connection, connect: Connect
) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "DELETE FROM client")
    holder = connect()
    execute(holder, "BEGIN")
    execute(holder, "SELECT FROM message WHERE id = 1 FOR UPDATE")
    erasing = in_background(lambda: erase(keyed))
    wait_for_lock_waiter(connection)

    adding = in_background(lambda: by_client(keyed))
    wait_until_blocked(connection, 2)
    assert not adding.done()
    execute(holder, "COMMIT")

    assert erasing.result(PATIENCE).status_code == 200
    assert adding.result(PATIENCE).status_code == 201
    assert suppressions(connection) == [(NUMBER, False, "everything", True)]


def test_many_ended_messages_are_erased_in_parts_and_pending_ones_in_the_last(
    keyed: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.numbers.erasure.BATCH", 2)
    add_running_mailing(connection, 6)
    execute(connection, "UPDATE message SET phone_number = %s", NUMBER)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id > 1")

    erased = erase(keyed).json

    assert (erased["messages"], erased["messages_cancelled"]) == (6, 1)
    assert value(connection, "SELECT count(*) FROM message WHERE phone_number = 0") == 6
    audited = rows(connection, "SELECT detail -> 'messages' FROM audit_entry ORDER BY id DESC LIMIT 3")
    assert audited == [(6,), (2,), (2,)]


def test_what_a_provider_says_of_a_message_in_flight_is_kept_without_the_number(
    make_api: MakeApi, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    claimed = {one.phone_number: one for one in queue.claim(10)}
    erase(make_api(OLD_KEY))

    for number, result in ((NUMBER, "refused for good"), (OTHER, "refused for good")):
        reason = Reason(ReasonCode.PROVIDER_SAID, {"words": f"+{number} is unknown"})
        queue.record([answer(claimed[number], result, reason=reason)])

    kept = {"words": f"+{OTHER} is unknown"}
    assert rows(connection, "SELECT reason_params FROM attempt ORDER BY message_id") == [
        ({"words": "0 is unknown"},),
        (kept,),
    ]
    assert rows(connection, "SELECT reason_params FROM message ORDER BY id") == [({"words": "0 is unknown"},), (kept,)]


def test_an_attempt_that_is_recorded_while_its_number_is_being_erased_loses_the_number(
    make_api: MakeApi, connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    queue.claim(10)
    recorder = connect()
    recorder.autocommit = False
    execute(recorder, "UPDATE message SET status = 'failed', ended_at = now()")
    execute(
        recorder,
        "INSERT INTO attempt (message_id, number, started_at, gateway, result, worker, reason_code, reason_params) "
        "VALUES (1, 1, now(), 'default', 'refused', 'left', 'provider_said', %s)",
        json_parameter({"words": f"+{NUMBER} is unknown"}),
    )

    erasing = in_background(lambda: erase(make_api(OLD_KEY)))
    wait_for_lock_waiter(connection)
    recorder.commit()

    assert erasing.result(PATIENCE).json["messages"] == 1
    assert value(connection, "SELECT reason_params FROM attempt") == {"words": "0 is unknown"}


def test_the_ledger_obeys_its_rules_when_an_erased_number_comes_again(keyed: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    body = {"phone_number": NUMBER, "scope": "everything", "reason": "opted_out"}
    assert keyed.post("/v1/suppression/create/", json=body).status_code == 201
    erase(keyed)
    assert rows(connection, SUPPRESSED_WITHOUT_SUPPRESSION) == []

    by_client(keyed)

    assert rows(connection, "SELECT phone_number, reason_code FROM message") == [(0, "suppressed")]
    assert rows(connection, SUPPRESSED_WITHOUT_SUPPRESSION) == []
