"""Recipients say STOP while a mailing is being sent, and workers and the API are killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from urllib.parse import urlencode

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from shared.credentials import CredentialCipher
from shared.json_parameter import json_parameter
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import SHORT_LEASE
from tests.callbacks import KEY, path_to
from tests.factories import FIRST_PHONE, add_gateway, add_running_mailing, execute, rows, value
from tests.integration.api.running_server import Served, served
from tests.long_variations import few_of
from tests.waiting import eventually

LEASE = float(SHORT_LEASE["LEASE_SECONDS"])
"""Seconds that a claim holds its messages."""

# When claims and suppressions are written, by one clock: of a suppression when its transaction commits, after it has
# locked all pending messages of the number.
WATCH = """
CREATE TABLE watched_claim (message_id bigint, number smallint, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE watched_refusal (phone_number bigint, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION watch_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO watched_claim (message_id, number) VALUES (NEW.id, NEW.attempts);
    RETURN NULL;
END $$;
CREATE FUNCTION watch_refusal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO watched_refusal (phone_number) VALUES (NEW.phone_number);
    RETURN NULL;
END $$;
CREATE TRIGGER watch_claim AFTER UPDATE ON message
    FOR EACH ROW WHEN (NEW.status = 'sending' AND OLD.status = 'pending') EXECUTE FUNCTION watch_claim();
CREATE CONSTRAINT TRIGGER watch_refusal AFTER INSERT ON suppression DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION watch_refusal()
"""

FORGET = """
DROP TRIGGER watch_claim ON message;
DROP TRIGGER watch_refusal ON suppression;
DROP FUNCTION watch_claim, watch_refusal;
DROP TABLE watched_claim, watched_refusal
"""

# An attempt whose claim was taken back has no row, and its number is given again: the last claim counts. Replies go to
# numbers that have refused.
CLAIMED_LATER = """
SELECT message.phone_number, watched_refusal.at, max(watched_claim.at)
FROM attempt JOIN message ON message.id = attempt.message_id JOIN mailing ON mailing.id = mailing_id AND kind <> 'reply'
    JOIN watched_refusal ON watched_refusal.phone_number = message.phone_number
    JOIN watched_claim ON watched_claim.message_id = attempt.message_id AND watched_claim.number = attempt.number
GROUP BY attempt.message_id, attempt.number, message.phone_number, watched_refusal.at
HAVING max(watched_claim.at) > watched_refusal.at
"""


@pytest.fixture
def watched(connection: Connection, clean_database: str) -> Iterator[Connection]:
    execute(connection, WATCH)
    yield connection
    execute(connection, FORGET)


def add_answers(connection: Connection, gateway: SandboxGateway) -> int:
    """A gateway by which recipients write, at the same simulated one under another contract; answers its id."""
    gateway_id = add_gateway(connection, "answers", provider="kannel", address=gateway.url)
    account = "UPDATE gateway SET sender = '1001', options = %s, credentials = %s WHERE id = %s"
    secrets = CredentialCipher([KEY]).encrypt({"password": gateway.token})
    execute(connection, account, json_parameter({"username": "sandbox", "max_messages": "1"}), secrets, gateway_id)
    return gateway_id


def refuse(api: Served, path: str, numbers: Iterable[int]) -> None:
    """Says STOP for each number, as its provider forwards it."""
    for number in numbers:
        query = urlencode({"from": f"+{number}", "to": "1001", "text": "STOP", "id": number})
        answer = api.send(f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200"), answer


@pytest.mark.parametrize(("messages", "refusals"), few_of([(2_000, 100), (20_000, 1_000)], (2_000, 100)))
def test_no_claim_takes_a_message_to_a_number_that_has_refused(
    messages: int,
    refusals: int,
    watched: Connection,
    clean_database: str,
    gateway: SandboxGateway,
    fleet: Fleet,
) -> None:
    connection = watched
    path = path_to(connection, add_answers(connection, gateway), "inbound")
    numbers = [FIRST_PHONE + number for number in Random(18).sample(range(messages - 1), refusals - 1)]
    numbers.insert(0, FIRST_PHONE + messages - 1)  # whose message is due last
    half = len(numbers) // 2
    settings = {"WORKER_CONCURRENCY": "16", "CREDENTIALS_KEY": KEY, "GATEWAY_ALLOWED_NETWORKS": "127.0.0.0/8"}
    settings |= SHORT_LEASE
    # At most 107 a second: the last message is far from due when its number refuses.
    gateway.faults(latency=[0.2, 0.4])

    with served(clean_database, CREDENTIALS_KEY=KEY) as api:
        mailing_id = add_running_mailing(connection, messages)
        worker, _ = (fleet.start(**settings) for _ in range(2))
        eventually(lambda: gateway.summary().accepted)
        refuse(api, path, numbers[:1])
        eventually(lambda: value(connection, "SELECT count(*) FROM watched_refusal"))
        gateway.faults(latency=[0.02, 0.1])
        refuse(api, path, numbers[1:half])
        worker.kill()
        api.process.kill()
    with served(clean_database, CREDENTIALS_KEY=KEY) as api:
        worker.start()
        refuse(api, path, numbers[half - 5 :])  # the provider repeats what it is not sure of
        eventually(lambda: value(connection, "SELECT count(*) FROM watched_refusal") == refusals)
        eventually(lambda: value(connection, "SELECT count(*) FROM mailing WHERE settled_at IS NULL") == 0)

    assert rows(connection, CLAIMED_LATER) == []
    recorded = dict(rows(connection, "SELECT phone_number, date_part('epoch', at) FROM watched_refusal"))
    assert recorded.keys() == set(numbers)
    # What was claimed before may leave until its lease ends.
    requests = [one for one in gateway.ledger(everything=True) if one.contract == "gonets"]
    assert [one for one in requests if one.started_at > recorded.get(one.phone or 0, one.started_at) + LEASE] == []
    cancelled = "SELECT phone_number FROM message WHERE mailing_id = %s AND status = 'cancelled' AND attempts = 0"
    spared = {number for (number,) in rows(connection, cancelled, mailing_id)}
    assert numbers[0] in spared <= set(numbers)
    assert not spared & {one.phone for one in requests}
    assert max(one.started_at for one in requests) > min(recorded.values()), "it was sent meanwhile"

    # Each is told so once, although the number is suppressed by then; a reply that is in doubt is not repeated.
    told = Counter(one.to for one in gateway.messages("kannel"))
    assert max(told.values()) == 1
    replies = dict(
        rows(connection, "SELECT status, count(*) FROM message WHERE mailing_id <> %s GROUP BY 1", mailing_id)
    )
    assert sum(replies.values()) == refusals
    assert replies.keys() <= {"sent", "unknown"}
    assert replies["sent"] <= len(told) <= refusals
