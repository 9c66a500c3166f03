"""All that is known about a number in one document, as JSON and as a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from shared.credentials import CredentialCipher
from shared.gateways.base import InboundPart
from shared.version import VERSION
from tests.factories import add_running_mailing, execute, revise_text, value
from tests.inbound import add_inbound_message, forward
from tests.integration.api.calls import Caller, caller, client_body
from tests.integration.api.test_erased_numbers import NUMBER, consent, erase, suppress
from tests.integration.worker.attempt_results import answer
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

PATH = f"/v1/number/{NUMBER}/evidence/"
PARTS = (
    *("clients", "consents", "suppressions", "messages", "inbound_messages", "number_lists", "erasures"),
    "removed_ledgers",
)


@pytest.fixture(scope="module")
def keyed_app(database_url: str) -> Flask:
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    return create_app(ApiSettings(database_url=parse_database_url(database_url), cipher=cipher))


@pytest.fixture
def keyed(keyed_app: Flask, clean_database: str) -> Caller:
    return caller(keyed_app)


@pytest.fixture
def history(keyed: Caller, connection: Connection, queue: Queue) -> None:
    """A client of the API, who consented, got a message, answered STOP, and was removed."""
    made = keyed.post("/v1/client/create/", json=client_body(phone_number=NUMBER, operator_code="900", tag="sample"))
    keyed.put(made.headers["Location"], json=client_body(phone_number=NUMBER, operator_code="900", tag="other"))
    execute(connection, "UPDATE client SET attributes = %s", '{"city": "Kazan"}')
    consent(connection)
    execute(connection, "UPDATE consent SET given_at = '2020-11-02 10:00:03.5+00'")
    add_running_mailing(connection, 1, text="Hello {{ city }}", fields={"city": "text"})
    execute(connection, "DELETE FROM client WHERE id = 2")
    execute(connection, "UPDATE message SET client_id = 1, phone_number = %s", NUMBER)
    [claimed] = queue.claim(1)
    queue.record([answer(claimed, "accepted", provider_message_id="theirs-1")])
    revise_text(connection, 1, "Bye {{ city }}", {"city": "text"})
    add_inbound_message(connection, "СТОП <b>")
    execute(
        connection,
        """
        UPDATE inbound_message
        SET keyword = 'СТОП', keyword_action = 'stop', keyword_is_exact = true, decision = 'stop', decided_at = now()
        """,
    )
    suppress(connection, note="answered")
    execute(connection, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")
    keyed.delete(made.headers["Location"])


def counts(document: Any) -> dict[str, int]:
    return {name: count for name, count in document["counts"].items() if count}


@pytest.mark.usefixtures("history")
def test_the_document_has_every_part_with_the_text_as_it_was_sent(keyed: Caller, connection: Connection) -> None:
    response = keyed.get(PATH)

    document = response.json
    assert response.headers["Cache-Control"] == "no-store"
    assert counts(document) == {"clients": 1, "consents": 1, "suppressions": 1, "messages": 1, "inbound_messages": 1}
    assert (document["phone_number"], document["made_by"], document["gonets_version"]) == (NUMBER, "API_KEY", VERSION)
    assert all(len(document[part]) == document["counts"][part] for part in PARTS)
    [client] = document["clients"]
    assert client["state"] == "removed"
    assert [entry["operation"] for entry in client["history"]][-3:] == ["createClient", "updateClient", "deleteClient"]
    [message] = document["messages"]
    assert (message["text"], message["mailing"]["kind"], message["status"]) == ("Hello Kazan", "marketing", "sent")
    assert [(made["result"], made["provider_message_id"]) for made in message["attempts"]] == [("accepted", "theirs-1")]
    [given] = document["consents"]
    assert (given["wording"], given["given_at"]) == ("I agree", "2020-11-02T10:00:03.500Z")
    assert document["suppressions"][0]["lifted_at"] is not None
    assert document["inbound_messages"][0]["keyword_action"] == "stop"
    read = "SELECT operation || ' ' || (detail ->> 'phone_number') FROM audit_entry ORDER BY id DESC LIMIT 1"
    assert value(connection, read) == "getNumberEvidence 7***0001"


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("en", "<time>2020-11-02 10:00:03 UTC</time>: consent 1 to marketing was given: web form; wording: «I agree»"),
        (
            "ru",
            "<time>2020-11-02 10:00:03 UTC</time>: дано согласие 1, цель: реклама; способ: web form; текст: «I agree»",
        ),
    ],
)
def test_the_page_says_in_order_what_happened(language: str, first: str, keyed: Caller) -> None:
    response = keyed.get(PATH, headers={"Accept": "text/html", "Accept-Language": language})

    assert response.mimetype == "text/html"
    lines = re.findall("<li>(.*)</li>", response.text)
    assert lines[0].startswith(first)
    times = [re.findall("<time>(.*?)</time>", line)[0] for line in lines]
    assert times == sorted(times)
    assert sum("Hello Kazan" in line for line in lines) == 1
    assert "СТОП &lt;b&gt;" in response.text
    assert response.headers.get_all("Cache-Control") == ["no-store"]
    assert {"Accept", "Accept-Language"} <= set(response.vary)  # type: ignore[attr-defined]
    assert keyed.get(PATH, query_string={"format": "html"}).mimetype == "text/html"
    assert (
        keyed.get(PATH, headers={"Accept": "text/html"}, query_string={"format": "json"}).json["phone_number"] == NUMBER
    )


def test_a_sentence_says_which_record_it_is_about_and_who_recorded_it_when(
    keyed: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    for wording in ("I agree\nto <offers>", "I agree"):
        given = {"given_at": "2020-11-02T10:00:03Z", "method": "paper", "wording": wording}
        assert keyed.post("/v1/consent/create/", json={"phone_number": NUMBER, **given}).status_code == 201
    withdrawal = {"withdrawn_at": "2020-11-03T10:00:03Z", "evidence": {"letter": "12"}}
    keyed.post("/v1/consent/2/withdraw/", json=withdrawal)
    forward(connection, InboundPart(sender=f"+{NUMBER}", recipient="1001", text="STOP"))
    maintenance.run()
    keyed.post("/v1/suppression/1/lift/", json={"evidence": {"form": "signed"}})

    page = keyed.get(PATH, query_string={"format": "html"}).text

    said = [line.partition("</time>: ")[2] for line in re.findall("<li>(.*?)</li>", page, re.DOTALL)]
    assert "consent 1 to marketing was given: paper; wording: «I agree<br>\nto &lt;offers&gt;»." in said
    assert "consent 2 to marketing was withdrawn; evidence: letter: 12." in said
    assert "the withdrawal of consent 2 was recorded; by: API_KEY." in said
    assert "inbound message 1 came from the number: «STOP»." in said
    assert "keyword “stop” in inbound message 1 was decided: no more messages; by: Gonets, automatically." in said
    assert "suppression 1 (marketing and service messages) was lifted; by: API_KEY; evidence: form: signed." in said
    assert "None" not in page


def test_of_an_unknown_number_the_parts_are_empty(keyed: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "DELETE FROM message")
    execute(connection, "UPDATE mailing SET purge_started_at = now(), purged_at = now()")
    execute(connection, "DELETE FROM client")
    execute(connection, "INSERT INTO message_count_delta (mailing_id, status, delta) VALUES (1, 'sent', 5)")

    document = keyed.get(PATH).json

    assert not document["is_anything_known"]
    assert document["notes"][0] == "Nothing is known about this number."
    assert "removed when their retention time" in document["notes"][1]
    assert all(document[part] == [] for part in PARTS[:-1])
    assert document["removed_ledgers"][0]["counts"]["sent"] == 5
    assert keyed.get("/v1/number/5/evidence/").status_code == 404
    assert "Nothing is known" in keyed.get(PATH, query_string={"format": "html"}).text


@pytest.mark.usefixtures("history")
def test_after_an_erasure_the_records_are_found_by_their_hash(keyed: Caller) -> None:
    erase(keyed, reason="asked by 8 900 000 00 01")

    document = keyed.get(PATH).json

    assert counts(document) == {"consents": 1, "suppressions": 2, "erasures": 1}
    assert [record["is_erased"] for record in document["consents"] + document["suppressions"]] == [True] * 3
    assert document["erasures"][0]["detail"]["reason"] == "asked by 0"
    assert "erased by API_KEY; reason: asked by 0" in keyed.get(PATH, query_string={"format": "html"}).text


def test_messages_are_read_in_pages(keyed: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.numbers.evidence_parts.PAGE", 2)
    add_running_mailing(connection, 5)
    execute(connection, "UPDATE message SET phone_number = %s", NUMBER)
    assert [message["id"] for message in keyed.get(PATH).json["messages"]] == [1, 2, 3, 4, 5]
