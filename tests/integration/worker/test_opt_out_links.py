"""The link to opt out in the text of a message: made in the claim, and the same for every repeat."""

from __future__ import annotations

from random import Random

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.opt_out_links import message_of, token_of
from shared.domain.reasons import ReasonCode
from shared.sql import messages
from tests.factories import add_running_mailing, execute, make_due, message, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenQueue
from tests.unit.test_opt_out_links import ids

URL = "https://s.example"
TEXT = "Sale! Stop: {{ opt_out_link }}"
FIELDS = {"opt_out_link": "text"}


def secret_of(connection: Connection) -> bytes:
    return bytes(value(connection, "SELECT opt_out_secret FROM sending_rules"))


def test_postgresql_makes_the_tokens_that_python_reads(connection: Connection) -> None:
    given = ids(Random(2))
    statement = """
        SELECT given, opt_out_token(given, opt_out_secret) FROM sending_rules, unnest(%s::bigint[]) AS given
    """
    made = rows(connection, statement, given)

    secret = secret_of(connection)
    assert len(secret) == 32
    assert [(message_id, token_of(message_id, secret)) for message_id in given] == made
    assert [message_of(token, secret) for _, token in made] == given


def test_every_repeat_has_the_link_of_the_first_claim_whatever_a_workers_setting_is(
    connection: Connection, open_queue: OpenQueue
) -> None:
    left = open_queue(max_attempts=9, opt_out_url=URL)
    other, without = open_queue("right", max_attempts=9, opt_out_url="https://other.example/u"), open_queue("none")
    add_running_mailing(connection, 2, text=TEXT, fields=FIELDS)
    execute(connection, "UPDATE message SET due_at = now() + interval '1 hour' WHERE id = 2")
    bodies = []
    for worker, outcome in ((left, "ambiguous"), (other, "refused"), (without, "throttled"), (other, "accepted")):
        execute(connection, "UPDATE message SET due_at = now() WHERE id = 1")
        [claimed] = worker.claim(1)
        bodies.append(claimed.text)
        worker.record([answer(claimed, outcome, retry_after=0.0)])

    assert bodies == [f"Sale! Stop: {URL}/{token_of(1, secret_of(connection))}"] * 4
    assert message(connection, 1)["text_values"] == [bodies[0].removeprefix("Sale! Stop: ")]


def test_a_released_first_claim_fixes_no_link(connection: Connection, open_queue: OpenQueue) -> None:
    left, other = open_queue(opt_out_url=URL), open_queue("right", opt_out_url="https://other.example/u")
    add_running_mailing(connection, 1, text=TEXT, fields=FIELDS)
    left.release(left.claim(10))
    released = message(connection, 1)["text_values"]

    [claimed] = other.claim(10)

    assert released is None
    assert claimed.text == f"Sale! Stop: https://other.example/u/{token_of(1, secret_of(connection))}"


def test_a_poison_message_gets_its_link_too(connection: Connection, open_queue: OpenQueue) -> None:
    queue = open_queue(opt_out_url=URL)
    add_running_mailing(connection, 1, text=TEXT, fields=FIELDS)
    execute(connection, "UPDATE message SET in_doubt = true, attempts = 2, due_at = 'infinity'")

    alone = queue.claim_poison_message()

    assert alone is not None
    assert alone.text.endswith(f"{URL}/{token_of(1, secret_of(connection))}")


def test_a_worker_without_the_setting_sends_nothing_and_a_retry_at_another_does(
    connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 1, text=TEXT, fields=FIELDS)

    assert open_queue("without").claim(10) == []

    failed = message(connection, 1)
    assert (failed["status"], failed["reason_code"]) == ("failed", ReasonCode.MISSING_VALUE)
    assert failed["reason_params"] == {"field": "opt_out_link"}
    execute(connection, messages.RETRY_MESSAGES.replace("%(ids)s", "'{1}'").replace("%(status)s", "'failed'"))
    make_due(connection)
    [claimed] = open_queue(opt_out_url=URL).claim(10)
    assert claimed.text.endswith(token_of(1, secret_of(connection)))
