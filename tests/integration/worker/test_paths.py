"""Which gateway a message is claimed for: the path that it takes, and the gateway that may have it already."""

from __future__ import annotations

from collections import Counter

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.statuses import OnUnknown
from tests.factories import (
    add_clients,
    add_gateway,
    add_mailing,
    add_running_mailing,
    change_message,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
    set_path,
    value,
)
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenMaintenance, OpenQueue
from tests.integration.worker.leases import reclaim
from worker.claimed_message import MessageGateway
from worker.lanes.circuit_breaker import Pick
from worker.lanes.lane_set import PathRow, paths_of
from worker.queue import Queue


@pytest.fixture
def second_id(connection: Connection) -> int:
    return add_gateway(connection, "second")


@pytest.fixture
def second(open_queue: OpenQueue, second_id: int) -> Queue:
    """The queue of the second gateway, which has the path 1 too now."""
    queue = open_queue(gateway=MessageGateway("second"), gateway_id=second_id)
    queue.paths = [1, 3]
    return queue


def path_of(connection: Connection, message_id: int = 1) -> int:
    """The path of the batch that it waits in."""
    return int(
        value(
            connection,
            "SELECT path_id FROM queue_batch WHERE message_ids @> ARRAY[%s::bigint] ORDER BY id DESC LIMIT 1",
            message_id,
        )
    )


@pytest.mark.parametrize("pick", Pick)
def test_a_queue_claims_only_what_is_on_its_paths(pick: Pick, connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 3)
    queue.paths = [3]
    assert queue.claim(3, pick=pick) == []

    queue.paths = [3, 1]
    assert len(queue.claim(3, pick=pick)) == (3 if pick is Pick.FIRST else 1)


def test_several_paths_are_claimed_from_those_first_that_have_been_due_longest(
    connection: Connection, queue: Queue
) -> None:
    execute(connection, "INSERT INTO path (route_id, gateway_ids, gateway_id) VALUES (1, '{1}', 1)")
    add_running_mailing(connection, 6)
    change_message(connection, 5, "path_id = 3, due_at = now() - interval '2 min'")
    change_message(connection, 6, "path_id = 3, due_at = now() - interval '1 min'")
    queue.paths = [1, 3]

    assert [claimed.message_id for claimed in queue.claim(2)] == [5, 6]
    assert sorted(claimed.message_id for claimed in queue.claim(9)) == [1, 2, 3, 4]


def test_a_claim_writes_down_its_gateway(connection: Connection, second: Queue, second_id: int) -> None:
    add_running_mailing(connection)
    [claimed] = second.claim(1)

    assert message(connection, 1)["gateway_id"] == second_id
    second.record([answer(claimed, "accepted")])
    assert rows(connection, "SELECT gateway FROM attempt") == [("second",)]


def test_a_message_in_doubt_waits_for_the_gateway_that_may_have_it(
    connection: Connection, queue: Queue, second: Queue
) -> None:
    add_running_mailing(connection)
    second.record([answer(claimed, "lost") for claimed in second.claim(1)])
    make_due(connection)

    assert path_of(connection) == 3
    for pick in Pick:
        assert queue.claim(1, pick=pick) == []
    assert [claimed.in_doubt for claimed in second.claim(1)] == [True]


@pytest.mark.parametrize("said", ["unreachable", "throttled", "unauthorized", "refused"])
def test_a_message_that_is_not_in_doubt_goes_to_any_gateway_of_its_path(
    said: str, connection: Connection, queue: Queue, second: Queue
) -> None:
    add_running_mailing(connection)
    queue.record([answer(claimed, said) for claimed in queue.claim(1)])
    make_due(connection)

    assert path_of(connection) == 1
    assert [claimed.gateway.name for claimed in second.claim(1)] == ["second"]


def test_a_message_whose_worker_died_waits_for_the_gateway_that_it_was_claimed_for(
    connection: Connection, queue: Queue, second: Queue
) -> None:
    add_running_mailing(connection)
    second.claim(1)
    expire_leases(connection)
    reclaim(queue)
    make_due(connection)

    assert rows(connection, "SELECT gateway FROM attempt") == [("second",)]
    assert queue.claim(1) == []
    assert len(second.claim(1)) == 1


def test_a_batch_from_before_the_doubt_gives_it_to_no_other_gateway(
    connection: Connection, queue: Queue, second: Queue, second_id: int
) -> None:
    add_running_mailing(connection, 2)
    execute(connection, "UPDATE message SET in_doubt = TRUE, gateway_id = %s WHERE id = 1", second_id)

    assert [claimed.message_id for claimed in queue.claim(5)] == [2]
    assert [claimed.message_id for claimed in second.claim(5)] == [1]


def test_a_message_in_doubt_about_which_no_gateway_is_known_takes_its_path(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection)  # as a restore leaves it
    execute(connection, "UPDATE message SET in_doubt = TRUE")

    assert len(queue.claim(1)) == 1


def test_queues_of_one_worker_release_none_of_each_other_s_claims(
    connection: Connection, open_queue: OpenQueue, second_id: int
) -> None:
    one = open_queue()
    other = Queue(
        one._database,
        worker="left",
        lease_seconds=30,
        request_timeout=10,
        retries=one.recorder._retries,
        random=one.recorder._random,
        open_claims=one._open,
    )
    add_running_mailing(connection, 2)
    one.claim(1)

    one._database.transaction(other._release_unacknowledged)

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sending'") == 1


def test_expired_messages_end_on_every_path(
    connection: Connection, open_maintenance: OpenMaintenance, second_id: int
) -> None:
    mailing_id = add_running_mailing(connection, 3)
    change_message(connection, 3, "path_id = 3")
    execute(connection, "UPDATE mailing SET end_datetime = now() WHERE id = %s", mailing_id)
    open_maintenance().run()

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'expired'") == 3
    assert value(connection, "SELECT count(*) FROM queue_batch") == 0


PATHS = [PathRow(1, [1, 2, 3], 2), PathRow(2, [1], 1), PathRow(4, [2], 2), PathRow(5, [3, 1], 3), PathRow(6, [1], None)]


@pytest.mark.parametrize(
    ("gateway_id", "given", "wanted"), [(1, [2], [1, 2, 6]), (2, [1, 4], [1, 4]), (3, [5], [5]), (4, [], [])]
)
def test_a_gateway_that_was_replaced_wants_its_paths_for_probes(
    gateway_id: int, given: list[int], wanted: list[int]
) -> None:
    assert paths_of(gateway_id, PATHS) == (given, wanted)


# The launch.


def add_route(
    connection: Connection, name: str, *paths: tuple[int, int], prefixes: str = "{}", codes: str = "{}"
) -> int:
    """A route with paths of one gateway each: (gateway, weight)."""
    route_id = int(
        value(
            connection,
            "INSERT INTO route (name, prefixes, operator_codes) VALUES (%s, %s, %s) RETURNING id",
            name,
            prefixes,
            codes,
        )
    )
    for gateway_id, weight in paths:
        execute(
            connection,
            "INSERT INTO path (route_id, weight, gateway_ids, gateway_id) VALUES (%s, %s, ARRAY[%s::bigint], %s)",
            route_id,
            weight,
            gateway_id,
            gateway_id,
        )
    return route_id


def launched(connection: Connection, maintenance: OpenMaintenance, **given: object) -> Counter[int]:
    """How many messages of a new mailing to `sample` go to which gateway at first."""
    mailing_id = add_mailing(connection)
    for column, content in given.items():
        execute(connection, f"UPDATE mailing SET {column} = %s WHERE id = %s", content, mailing_id)  # noqa: S608
    while maintenance().run():
        pass
    return Counter(
        gateway_id
        for (gateway_id,) in rows(
            connection,
            "SELECT path.gateway_id FROM message JOIN path ON path.id = path_id WHERE mailing_id = %s",
            mailing_id,
        )
    )


def test_the_longest_prefix_decides_then_the_operator_code_then_the_default(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    two, three, four, five = (add_gateway(connection, name) for name in ("two", "three", "four", "five"))
    add_clients(connection, 4)  # 79000000001 and so on, operator code 900
    execute(connection, "UPDATE client SET phone_number = 447000000001, operator_code = '700' WHERE id = 1")
    execute(connection, "UPDATE client SET phone_number = 79160000001, operator_code = '916' WHERE id = 2")
    execute(connection, "UPDATE client SET phone_number = 15550000001, operator_code = '555' WHERE id = 3")
    add_route(connection, "russia", (two, 100), prefixes="{7}")
    add_route(connection, "mts", (three, 100), prefixes="{7916}", codes="{555}")
    add_route(connection, "code", (four, 100), codes="{900,700}")
    removed = add_route(connection, "removed", (five, 100), prefixes="{79}")
    execute(connection, "UPDATE route SET removed_at = now() WHERE id = %s", removed)

    assert launched(connection, open_maintenance) == {four: 1, three: 2, two: 1}
    assert launched(connection, open_maintenance, route_id=removed) == {five: 4}
    assert launched(connection, open_maintenance, gateway_id=four) == {four: 4}


def test_a_number_that_no_route_matches_takes_the_default(
    connection: Connection, open_maintenance: OpenMaintenance
) -> None:
    two = add_gateway(connection, "two")
    add_clients(connection, 3)
    add_route(connection, "elsewhere", (two, 100), prefixes="{44,8}", codes="{901}")

    assert launched(connection, open_maintenance) == {1: 3}
    set_path(connection, two, 1)
    assert launched(connection, open_maintenance) == {two: 3}


def test_messages_are_shared_by_weight(connection: Connection, open_maintenance: OpenMaintenance) -> None:
    two, three = add_gateway(connection, "two"), add_gateway(connection, "three")
    add_clients(connection, 2000)
    route_id = add_route(connection, "shared", (1, 70), (two, 30), (three, 0))

    shares = launched(connection, open_maintenance, route_id=route_id)

    assert shares.total() == 2000
    assert shares[three] == 0
    assert 0.25 < shares[two] / 2000 < 0.35
    assert launched(connection, open_maintenance, route_id=route_id) == shares  # a client keeps its share


def test_a_held_message_is_unknown_whatever_its_path(connection: Connection, second: Queue) -> None:
    add_running_mailing(connection, on_unknown=OnUnknown.HOLD)
    second.record([answer(claimed, "lost") for claimed in second.claim(1)])

    assert message(connection, 1)["status"] == "unknown"
