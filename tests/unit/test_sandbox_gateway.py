"""The simulated gateway's decisions, without sockets: which faults make sense, what is drawn, what is read."""

from collections import Counter

import pytest

from sandbox.simulated_gateway.faults import NO_FAULT, FaultInjector, Faults, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import MAX_BODY, MAX_HEAD, BadRequest, read_request
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.plan_fields import PlanError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "faults: must be a JSON object"),
        ({"latencies": 1}, "latencies: unknown field"),
        ({"latency": -1}, "latency: must be seconds from 0 to 3600"),
        ({"latency": [2, 1]}, "latency: .* 2 is more than 1"),
        ({"latency": [1, 2, 3]}, "latency: "),
        ({"latency": True}, "latency: "),
        ({"down_for": float("inf")}, "down_for: "),
        ({"statuses": {"200": 0.5}}, "statuses: '200' is not a status"),
        ({"statuses": {"0500": 0.5}}, "statuses: '0500'"),
        ({"statuses": {"500": 2}}, r"statuses\.500: must be a probability from 0 to 1, not 2"),
        ({"statuses": 0.5}, "statuses: must be an object of probabilities"),
        ({"bodies": {"rubbish": 0.5}}, "bodies: 'rubbish' is not one of garbage, refused, empty"),
        ({"bodies": {"empty": "x"}}, r"bodies\.empty: "),
        ({"hang": float("nan")}, "hang: must be a probability"),
        ({"hang": 0.6, "trickle": 0.6}, r"faults: the probabilities add up to 1\.2"),
        ({"retry_after": "1\r\nX: y"}, "retry_after: must be printable ASCII"),
        ({"retry_after": 5}, "retry_after: must be printable ASCII"),
        ({"token": ""}, "token: must be printable ASCII"),
        ({"only_ids": 5}, "only_ids: must be a list"),
        ({"only_phones": ["7900"]}, "only_phones: must be a whole number, not '7900'"),
        ({"first": -1}, "first: must not be negative"),
        ({"seed": 1.5}, "seed: must be a whole number"),
    ],
)
def test_faults_that_make_no_sense_are_refused_by_the_name_of_the_field(given: object, words: str) -> None:
    with pytest.raises(PlanError, match=f"^{words}"):
        Faults.from_json(given)


def test_probabilities_may_add_up_to_exactly_one() -> None:
    tenths = {str(status): 0.1 for status in range(500, 510)}
    assert len(Faults.from_json({"statuses": tenths}).statuses) == 10


def test_without_faults_none_is_injected() -> None:
    assert FaultInjector(Faults.from_json({})).pick(1, 79001234567) is NO_FAULT


def test_faults_come_as_often_as_they_were_asked_for() -> None:
    plan = {"statuses": {"500": 0.1, "503": 0.05}, "bodies": {"garbage": 0.2}, "hang": 0.15, "seed": 1}
    drawn = Counter((reaction.outcome, reaction.status) for reaction in _draws(plan, 10_000))
    expected = {
        (Outcome.STATUS, 500): 0.1,
        (Outcome.STATUS, 503): 0.05,
        (Outcome.GARBAGE, 200): 0.2,
        (Outcome.HANG, 0): 0.15,
        (Outcome.ACCEPTED, 200): 0.5,
    }
    assert {kind: count / 10_000 for kind, count in drawn.items()} == pytest.approx(expected, abs=0.02)


def test_a_seed_repeats_a_run() -> None:
    plan: dict[str, object] = {"hang": 0.3, "oversize": 0.3, "latency": [0.1, 0.9], "seed": 42}
    assert _draws(plan, 100) == _draws(plan, 100)
    assert _draws(plan, 100) != _draws({**plan, "seed": 43}, 100)


def test_latency_is_a_number_or_a_span() -> None:
    assert {reaction.delay for reaction in _draws({"latency": 0.25}, 10)} == {0.25}
    assert all(0.1 <= reaction.delay <= 0.2 for reaction in _draws({"latency": [0.1, 0.2]}, 100))


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ({}, {(1, 70), (2, 70), (1, 80), (2, 80)}),
        ({"only_ids": [1]}, {(1, 70), (1, 80)}),
        ({"only_phones": [80]}, {(1, 80), (2, 80)}),
        ({"only_ids": [1], "only_phones": [80]}, {(1, 70), (1, 80), (2, 80)}),
        ({"only_ids": []}, set()),
    ],
)
def test_faults_reach_only_the_messages_that_they_name(
    scope: dict[str, object], concerned: set[tuple[int, int]]
) -> None:
    injector = FaultInjector(Faults.from_json({"hang": 1, **scope}))
    messages = [(msg_id, phone) for msg_id in (1, 2) for phone in (70, 80)]
    assert {message for message in messages if injector.pick(*message) is not NO_FAULT} == concerned


def test_the_first_requests_are_counted_among_those_concerned() -> None:
    injector = FaultInjector(Faults.from_json({"hang": 1, "first": 2, "only_ids": [1]}))
    outcomes = [injector.pick(msg_id, 70).outcome for msg_id in (2, 2, 1, 1, 1)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.HANG, Outcome.HANG, Outcome.ACCEPTED]


def test_the_oldest_messages_are_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.simulated_gateway.kept_messages.MAX_IDS", 2)
    kept = KeptMessages()
    for at, message_id in enumerate(("1", "2", "2", "3")):
        kept.add(KeptMessage("kannel", message_id, "79001234567", "Gonets", "text", at))
        kept.note_request(message_id, at)
    assert [(message.id, message.taken_at) for message in kept.all_of()] == [("2", 1), ("2", 2), ("3", 3)]
    assert [kept.requested_at(message_id) for message_id in ("1", "2", "3")] == [None, 2, 3]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /send/1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD, 431),
    ],
)
def test_what_is_not_a_request_is_refused_with_the_right_status(raw: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_request(raw)
    assert refusal.value.status == status


def test_a_request_is_read_once_the_whole_of_it_has_come() -> None:
    whole = b"POST /send/1?x=2 HTTP/1.1\r\nAuthorization:  Bearer t \r\ncontent-length: 2\r\n\r\n{}"
    assert all(read_request(whole[:cut]) is None for cut in range(len(whole)))
    read = read_request(whole + b"GET")
    assert read is not None
    request, rest = read
    assert request == (b"POST", b"/send/1", b"x=2", b"Bearer t", b"{}", True)
    assert rest == b"GET"


@pytest.mark.parametrize(
    ("version", "field", "kept"),
    [(b"1.1", b"", True), (b"1.1", b"Connection: Close\r\n", False), (b"1.0", b"Connection: keep-alive\r\n", False)],
)
def test_a_connection_is_kept_as_its_version_and_field_say(version: bytes, field: bytes, kept: bool) -> None:
    read = read_request(b"GET / HTTP/%b\r\n%b\r\n" % (version, field))
    assert read is not None
    assert read[0].keep_alive is kept


def _draws(plan: dict[str, object], times: int) -> list[Reaction]:
    injector = FaultInjector(Faults.from_json(plan))
    return [injector.pick(msg_id, 79001234567) for msg_id in range(times)]
