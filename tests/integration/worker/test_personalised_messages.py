"""Messages whose text is a template: the values are fixed at the first claim, and every repeat has the same bytes."""

from __future__ import annotations

import json

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.reasons import ReasonCode
from shared.sql import messages
from tests.factories import add_running_mailing, execute, expire_leases, make_due, message, revise_text, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from worker.queue import Queue

TEXT = 'Привет, {{ name | default: "друг" }}! {% if vip %}Вам {{ age }}.{% endif %}'
FIELDS = {"name": "text", "vip": "boolean", "age": "number"}
ANNA = {"name": "Анна", "vip": True, "age": 30.50}


def set_attributes(connection: Connection, **attributes: object) -> None:
    """Gives all clients these attributes."""
    execute(connection, "UPDATE client SET attributes = %s", json.dumps(attributes))


def add_message_to(connection: Connection, **attributes: object) -> int:
    """A running mailing of a template to a client with these attributes; answers its id."""
    mailing_id = add_running_mailing(connection, 1, text=TEXT, fields=FIELDS)
    set_attributes(connection, **attributes)
    return mailing_id


def test_the_first_claim_fixes_the_values_in_its_own_commit(connection: Connection, queue: Queue) -> None:
    add_message_to(connection, **ANNA)

    [claimed] = queue.claim(10)

    assert claimed.text == "Привет, Анна! Вам 30.5."
    assert message(connection, 1)["text_values"] == ["Анна", "true", "30.5"]


def test_every_repeat_has_the_same_bytes_whatever_was_edited(connection: Connection, open_queue: OpenQueue) -> None:
    queue, other = open_queue(max_attempts=9), open_queue("right", max_attempts=9)
    mailing_id = add_message_to(connection, **ANNA)
    bodies = []
    for worker, outcome in ((queue, "ambiguous"), (other, "refused"), (queue, "throttled"), (other, "accepted")):
        make_due(connection)
        [claimed] = worker.claim(10)
        bodies.append(claimed.text.encode())
        worker.record([answer(claimed, outcome, retry_after=0.0)])
        set_attributes(connection, name="Пётр", age=7)
        revise_text(connection, mailing_id, "other")

    assert set(bodies) == {"Привет, Анна! Вам 30.5.".encode()}
    assert message(connection, 1)["status"] == "sent"


def test_a_repeat_after_an_expired_lease_and_a_removed_field_has_the_same_bytes(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_message_to(connection, **ANNA)
    [first] = open_queue("killed").claim(10)
    set_attributes(connection)
    execute(connection, "DELETE FROM client_field WHERE name = 'name'")
    expire_leases(connection)
    right = open_queue("right")
    reclaim(right)
    make_due(connection)

    [second] = right.claim(10)

    assert (second.number, second.text) == (2, first.text)


def test_a_poison_message_has_the_same_bytes(connection: Connection, queue: Queue) -> None:
    add_message_to(connection, **ANNA)
    [first] = queue.claim(10)
    execute(
        connection,
        "UPDATE message SET status = 'pending', in_doubt = true, attempts = 2, due_at = 'infinity'; DELETE FROM claim",
    )
    set_attributes(connection, name="Пётр")

    alone = queue.claim_poison_message()

    assert alone is not None
    assert alone.text == first.text


def test_a_released_first_claim_fixes_nothing(connection: Connection, queue: Queue) -> None:
    add_message_to(connection, **ANNA)
    queue.release(queue.claim(10))
    released = message(connection, 1)
    set_attributes(connection, name="Пётр")

    [claimed] = queue.claim(10)

    assert (released["text_revision"], released["text_values"]) == (None, None)
    assert (claimed.number, claimed.text) == (1, "Привет, Пётр! ")


def test_a_released_repeat_keeps_its_values(connection: Connection, queue: Queue) -> None:
    add_message_to(connection, **ANNA)
    queue.record([answer(one, "ambiguous") for one in queue.claim(10)])
    make_due(connection)
    set_attributes(connection, name="Пётр")
    queue.release(queue.claim(10))

    [claimed] = queue.claim(10)

    assert claimed.text == "Привет, Анна! Вам 30.5."


def test_every_field_of_a_client_can_be_shown(connection: Connection, queue: Queue) -> None:
    fields = {
        "phone_number": "text",
        "operator_code": "text",
        "tag": "text",
        "timezone": "text",
        "external_id": "text",
        "tags": "list",
        "created_at": "datetime",
        "unknown_subscriber_count": "number",
        "born": "date",
        "seen": "datetime",
        "cities": "list",
    }
    shown = " ".join(f"{{{{ {name} }}}}" for name, kind in fields.items() if not kind.startswith("date"))
    dates = " ".join(f'{{{{ {name} | date: "%Y" }}}}' for name, kind in fields.items() if kind.startswith("date"))
    order = [name for name in fields if not fields[name].startswith("date")]
    order += [name for name in fields if fields[name].startswith("date")]
    add_running_mailing(connection, 1, text=f"{shown} {dates}", fields={name: fields[name] for name in order})
    set_attributes(connection, born="1990-03-05", seen="2025-01-02T03:04:05.000000Z", cities=["Уфа", "Казань"])
    execute(
        connection,
        "UPDATE client SET external_id = 'e1', tag = 'b', tags = '{a,c}', created_at = '2026-01-01 00:00+03'",
    )

    [claimed] = queue.claim(10)

    client = "79000000001 900 b Europe/Moscow e1 b, a, c 0 Уфа, Казань"
    assert claimed.text.split() == f"{client} 2025 1990 2025".split()


def test_an_empty_tag_is_none_of_the_tags(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 2, text="{{ tags | default: 'none' }}", fields={"tags": "list"})
    execute(connection, "UPDATE client SET tag = ''")
    execute(connection, "UPDATE client SET tags = '{a,c}' WHERE id = 1")

    assert [claimed.text for claimed in queue.claim(10)] == ["a, c", "none"]


def test_a_plain_text_with_braces_is_sent_as_it_is(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1, text="{{ name }} {% if %}")

    [claimed] = queue.claim(10)

    assert claimed.text == "{{ name }} {% if %}"
    assert message(connection, 1)["text_values"] is None


def test_plain_and_personalised_messages_are_claimed_together(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 1, text="plain")
    add_message_to(connection, name="Анна")

    assert sorted(claimed.text for claimed in queue.claim(10)) == ["plain", "Привет, Анна! "]


def test_a_message_with_a_missing_value_fails_and_the_others_are_sent(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 2, text="{{ name }}", fields={"name": "text"})
    execute(connection, """UPDATE client SET attributes = '{"name": "Анна"}' WHERE id = 2""")

    [claimed] = queue.claim(10)

    assert claimed.text == "Анна"
    failed = message(connection, 1)
    assert (failed["status"], failed["in_doubt"], failed["attempts"]) == ("failed", False, 1)
    assert (failed["reason_code"], failed["reason_params"]) == (ReasonCode.MISSING_VALUE, {"field": "name"})
    assert queue.may_have_more
    assert value(connection, "SELECT result::text FROM attempt WHERE message_id = 1") == "refused"


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("{{ name }}{{ name }}", "я" * 801, ReasonCode.TEXT_OVER_LIMIT),
        ("{% if name == 'x' %}x{% endif %}", "Анна", ReasonCode.TEXT_EMPTY),
        ("{{ name | no_such_filter }}", "Анна", ReasonCode.TEXT_UNREADABLE),
        ("{{ other }}", "Анна", ReasonCode.TEXT_UNREADABLE),
    ],
)
def test_a_text_that_cannot_be_sent_ends_its_message(
    connection: Connection, queue: Queue, text: str, name: str, reason: ReasonCode
) -> None:
    add_running_mailing(connection, 1, text=text, fields={"name": "text"})
    set_attributes(connection, name=name)

    assert queue.claim(10) == []

    assert (message(connection, 1)["status"], message(connection, 1)["reason_code"]) == ("failed", reason)


def test_a_retry_of_a_message_that_never_had_a_text_fixes_it_anew(connection: Connection, queue: Queue) -> None:
    mailing_id = add_running_mailing(connection, 1, text="{{ name }}", fields={"name": "text"})
    queue.claim(10)
    set_attributes(connection, name="Анна")
    execute(connection, messages.RETRY_MESSAGES.replace("%(ids)s", "'{1}'").replace("%(status)s", "'failed'"))
    assert (message(connection, 1)["text_revision"], message(connection, 1)["text_values"]) == (None, None)
    execute(connection, "UPDATE mailing_text SET text = '{{ name }}!' WHERE mailing_id = %s", mailing_id)

    [claimed] = queue.claim(10)

    assert (claimed.number, claimed.text) == (2, "Анна")
    assert message(connection, 1)["text_values"] == ["Анна"]


def test_a_released_retry_of_a_message_that_never_had_a_text_fixes_nothing(
    connection: Connection, queue: Queue
) -> None:
    mailing_id = add_running_mailing(connection, 1, text="{{ name }}", fields={"name": "text"})
    queue.claim(10)
    set_attributes(connection, name="Анна")
    execute(connection, messages.RETRY_MESSAGES.replace("%(ids)s", "'{1}'").replace("%(status)s", "'failed'"))
    queue.release(queue.claim(10))
    released = message(connection, 1)
    set_attributes(connection, name="Пётр")
    revise_text(connection, mailing_id, "{{ name }}!", {"name": "text"})

    [claimed] = queue.claim(10)

    assert (released["text_revision"], released["text_values"]) == (None, None)
    assert (claimed.number, claimed.text) == (2, "Пётр!")


def test_a_retry_of_a_message_that_was_refused_keeps_its_text(connection: Connection, queue: Queue) -> None:
    add_message_to(connection, **ANNA)
    queue.record([answer(one, "refused for good") for one in queue.claim(10)])
    set_attributes(connection, name="Пётр")
    execute(connection, messages.RETRY_MESSAGES.replace("%(ids)s", "'{1}'").replace("%(status)s", "'failed'"))

    [claimed] = queue.claim(10)

    assert (claimed.number, claimed.text) == (2, "Привет, Анна! Вам 30.5.")
