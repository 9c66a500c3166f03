"""Segments as SQL find the clients that the words of docs/segments.md say."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.parser import parse, to_text
from shared.domain.segments.tree import Condition, Event, Node, Operator
from shared.json_parameter import json_parameter
from shared.sql.segment_moments import anniversaries
from shared.sql.segments import READ_TODAY, condition
from tests.factories import add_mailing, execute, in_one_commit, rows, value
from tests.segments import DATES, FIELDS, MOMENTS, NUMBERS, PHONES, TEXTS, TODAY, Person, matches, random_tree
from tests.waiting import wait_for_new_day

PERSONS = 60
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def found(connection: Connection, node: Node, today: date = TODAY) -> list[int]:
    sql, parameters = condition(node, FIELDS, today)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM client WHERE {sql} ORDER BY id", parameters)  # noqa: S608
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def persons(connection: Connection) -> dict[int, Person]:
    chosen = random.Random(17)
    for _ in range(3):
        add_mailing(connection)
    execute(connection, "INSERT INTO number_list (name) VALUES ('one'), ('two')")
    with in_one_commit(connection):
        return dict(add_person(connection, chosen, place) for place in range(PERSONS))


def add_person(connection: Connection, chosen: random.Random, place: int) -> tuple[int, Person]:
    phone_number = PHONES[place] if place < len(PHONES) and len(PHONES[place]) > 6 else str(79160000000 + place)
    tag = chosen.choice(("", *TEXTS))
    created_at = NOON - timedelta(days=chosen.choice((0, 1, 7, 30)))
    tags = sorted({*chosen.sample(TEXTS, chosen.randint(0, 3))} - {tag})
    columns: dict[str, Any] = {
        "phone_number": phone_number,
        "operator_code": phone_number[1:4],
        "tag": tag,
        "timezone": "Europe/Moscow",
        "external_id": chosen.choice((None, f"{TEXTS[place % len(TEXTS)]}{place}")),
        "tags": tags,
        "created_at": created_at,
        "unknown_subscriber_count": chosen.choice((0, 18)),
    }
    attributes = {name: chosen.choice(values) for name, values in ATTRIBUTES.items() if chosen.random() < 0.6}
    person_id = value(
        connection,
        """
        INSERT INTO client (phone_number, operator_code, tag, timezone, external_id, tags, created_at,
            unknown_subscriber_count, attributes)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        *columns.values(),
        json_parameter(attributes),
    )
    columns |= {"tags": [tag, *tags] if tag else tags, "created_at": f"{created_at:%Y-%m-%dT%H:%M:%S.%fZ}"}
    person = Person(columns, attributes, lists={n for n in (1, 2) if chosen.random() < 0.3})
    for list_id in person.lists:
        execute(connection, "INSERT INTO number_list_entry VALUES (%s, %s)", list_id, int(phone_number))
    for mailing_id in (1, 2):
        if chosen.random() < 0.5:
            person.happened += add_message(connection, chosen, mailing_id, person_id)
    if chosen.random() < 0.2:
        person.happened.append((Event.REPLIED, None, add_reply(connection, chosen, person_id, None)))
    return person_id, person


ATTRIBUTES: dict[str, Any] = {
    "name": TEXTS,
    "city": TEXTS,
    "list": TEXTS,
    "age": NUMBERS,
    "vip": (True, False),
    "birthday": DATES,
    "since": DATES,
    "seen": [moment for moment in MOMENTS if "T" in moment],
    "likes": [["Казань"], ["7", "x_y"]],
    "баланс": NUMBERS,
}


def add_message(
    connection: Connection, chosen: random.Random, mailing_id: int, client_id: int
) -> Iterator[tuple[Event, int | None, datetime]]:
    state = chosen.choice(("failed", "sent", "delivered", "undelivered", "replied"))
    sent_at, delivery_at = (NOON - timedelta(days=chosen.choice((0, 1, 7, 8)), hours=12) for _ in range(2))
    delivery = state if state.endswith("delivered") else None
    message_id = value(
        connection,
        """
        INSERT INTO message (mailing_id, client_id, phone_number, status, sent_at, ended_at, delivery, delivery_at,
            delivery_reason)
        VALUES (%s, %s, 79161234567, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        mailing_id,
        client_id,
        "failed" if state == "failed" else "sent",
        None if state == "failed" else sent_at,
        sent_at,
        delivery,
        delivery_at if delivery else None,
        "other" if state == "undelivered" else None,
    )
    if state != "failed":
        yield Event.RECEIVED, mailing_id, sent_at
    if delivery:
        yield Event(delivery), mailing_id, delivery_at
    if state == "replied":
        yield Event.REPLIED, mailing_id, add_reply(connection, chosen, client_id, message_id)


def add_reply(connection: Connection, chosen: random.Random, client_id: int, message_id: int | None) -> datetime:
    received_at = NOON - timedelta(days=chosen.choice((0, 1, 7, 8)), hours=12)
    execute(
        connection,
        """
        INSERT INTO inbound_message
            (gateway_id, sender, recipient, text, parts, parts_received, received_at, client_id, message_id)
        VALUES (1, '', '', 'yes', 1, 1, %s, %s, %s)
        """,
        received_at,
        client_id,
        message_id,
    )
    return received_at


def test_a_condition_finds_exactly_the_clients_for_which_it_holds(
    connection: Connection, persons: dict[int, Person]
) -> None:
    chosen = random.Random(18)
    sizes = set()
    for _ in range(600):
        node = random_tree(chosen)
        expected = [person_id for person_id, person in persons.items() if matches(node, person)]
        assert found(connection, node) == expected, to_text(node)
        sizes.add(len(expected))
    assert len(sizes) > PERSONS / 2


@pytest.mark.parametrize(
    "text",
    [
        "received mailing 1 or vip or received mailing 2 or received mailing 99",
        "not (replied mailing 1 or replied mailing 2 or vip)",
        "not delivered mailing 1 and not vip and not (not age > 20) and not delivered mailing 2",
    ],
)
def test_mailings_of_one_event_are_looked_for_together(
    text: str, connection: Connection, persons: dict[int, Person]
) -> None:
    node = parse(text, FIELDS)
    assert condition(node, FIELDS, TODAY)[0].count("EXISTS") == 1
    expected = [person_id for person_id, person in persons.items() if matches(node, person)]
    assert found(connection, node) == expected
    assert 0 < len(expected) < len(persons)


def test_only_placeholders_and_what_the_tree_has_by_its_shape_get_into_sql() -> None:
    chosen = random.Random(19)
    for _ in range(600):
        sql, parameters = condition(random_tree(chosen), FIELDS, TODAY, "excluded_1")
        assert not any(text in sql for text in (*TEXTS, *DATES, *PHONES, "city", "баланс") if text != "7")
        assert {*re.findall(r"%\((\w+)\)s", sql)} == parameters.keys()
        assert "%" not in re.sub(r"%\(excluded_1_\d+\)s", "", sql)
        assert {*re.findall("'[^']*'", sql)} <= {"'{}'", "''", "'sent'", "'delivered'", "'undelivered'"}


def test_a_tree_whose_field_is_gone_is_refused() -> None:
    node = Condition("city", Operator.EXISTS)
    with pytest.raises(SegmentError, match="city"):
        condition(node, {name: one for name, one in FIELDS.items() if name != "city"}, TODAY)


@pytest.mark.parametrize(
    ("today", "birthday", "is_found"),
    [
        (date(2026, 2, 28), "1992-02-29", True),
        (date(2028, 2, 28), "1992-02-29", False),
        (date(2028, 2, 29), "1992-02-29", True),
        (date(2028, 2, 29), "1990-02-28", False),
        (date(2026, 12, 31), "1990-12-31", True),
    ],
)
def test_a_birthday_on_29_february_is_on_28_february_in_other_years(
    connection: Connection, today: date, birthday: str, is_found: bool
) -> None:
    execute(
        connection,
        """
        INSERT INTO client (phone_number, operator_code, tag, timezone, attributes)
        VALUES (79161234567, '916', '', 'UTC', %s)
        """,
        json_parameter({"birthday": birthday}),
    )
    node = parse("birthday = today", FIELDS)
    assert found(connection, node, today) == ([1] if is_found else [])


def test_anniversaries_go_over_the_end_of_a_year() -> None:
    assert anniversaries(date(2026, 12, 30), 2) == {"12-30", "12-31", "01-01"}
    assert len(anniversaries(date(2027, 3, 1), 364)) == 365


def test_today_is_the_day_in_utc_by_the_clock_of_the_database(connection: Connection) -> None:
    wait_for_new_day(connection)
    execute(connection, "SET timezone = 'Pacific/Kiritimati'")
    assert rows(connection, READ_TODAY) == rows(connection, "SELECT date(now() AT TIME ZONE 'UTC')")
