"""Which message a probe takes: the one that became due last, or any one, and in any case one that is due."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_running_mailing, change_message, execute
from worker.lanes.circuit_breaker import Pick
from worker.queue import Queue


def claim_probe(queue: Queue, pick: Pick) -> int:
    """The message that a probe takes; it is given back."""
    [delivery] = queue.claim(1, pick=pick)
    queue.release([delivery])
    return delivery.message_id


def spread_due_times(connection: Connection) -> None:
    """Each message is due a second after the one before; the one with the highest id became due last."""
    execute(connection, "UPDATE message SET due_at = now() - interval '1 hour' + id * interval '1 second'")


def test_the_last_is_the_one_that_became_due_last(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 10)
    spread_due_times(connection)
    change_message(connection, 4, "due_at = now() - interval '1 minute', attempts = 1")
    change_message(connection, 7, "due_at = now() + interval '1 minute', attempts = 1")

    assert claim_probe(queue, Pick.FIRST) == 1
    assert claim_probe(queue, Pick.LAST) == 4


def test_any_is_one_of_those_that_became_due_together_with_the_first(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 10)
    execute(connection, "UPDATE message SET due_at = now() - interval '1 minute' WHERE id > 5")
    execute(connection, "UPDATE message SET due_at = now() - interval '1 hour' WHERE id <= 5")

    # Of five: one of them is left out of forty picks once in 1,500 times, so all but one are asked for.
    picked = {claim_probe(queue, Pick.ANY) for _ in range(40)}

    assert picked <= {1, 2, 3, 4, 5}
    assert len(picked) >= 4


def test_any_passes_over_mailings_that_have_only_messages_tried_before(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 5)
    execute(connection, "UPDATE message SET attempts = 1, due_at = now() - interval '1 hour'")
    untried = add_running_mailing(connection, 5)

    for _ in range(10):
        [delivery] = queue.claim(1, pick=Pick.ANY)
        assert delivery.mailing_id == untried
        queue.release([delivery])


def test_any_is_one_tried_before_if_there_is_no_other(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 5)
    execute(connection, "UPDATE message SET attempts = 1")

    assert claim_probe(queue, Pick.ANY) == 1


def test_if_nothing_is_due_a_probe_takes_nothing(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 5)
    execute(connection, "UPDATE message SET due_at = now() + interval '1 minute'")

    for pick in Pick:
        assert queue.claim(1, pick=pick) == []
