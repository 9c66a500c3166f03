"""Asking the gateway about an earlier attempt before a message is sent again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus, OnUnknown
from shared.gateways.base import Account
from tests.look_up_adapter import LookUpAdapter
from tests.raw_server import Peer, RawServer, response
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import NOON, RETRIES, delivery, verdict
from tests.waiting import PATIENCE, eventually
from worker.attempt_decision import decide
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage, MessageGateway
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender

ASKED = MessageGateway("asked", look_up_after=20.0, look_up_within=3600.0)
DEDUPLICATES = MessageGateway("deduplicates", deduplicates=True)

RETRIES_RANDOM = Random(1)

LOST = submitted(Result.AMBIGUOUS, words="timed out")


def in_doubt(message_id: int = 1, **given: Any) -> ClaimedMessage:
    now = time.monotonic()
    fields = {
        "doubt_age": 30.0,
        "claim": Claim(1, NOON.timestamp(), now),
        "in_doubt": True,
        "gateway": ASKED,
        "start_from": 0.0,
        "start_by": now + 60,
        **given,
    }
    return delivery(2, message_id=message_id, **fields)


Answer = Callable[[str], bytes | None]
"""What the gateway says to a GET or a POST; None closes the connection without an answer."""


@contextmanager
def sending(answer: Answer) -> Iterator[tuple[HttpSender, RawServer]]:
    def serve(peer: Peer) -> None:
        while request := peer.read_request():
            said = answer(request.line.split()[0])
            if said is None:
                return
            peer.send(said)

    with RawServer(serve) as server:
        adapter = LookUpAdapter(Account(address=server.url, credentials={"token": "token"}))
        client = GatewayClient(server.url, adapter, connect_timeout=30, timeout=30, retry_after_cap=1)
        sender = HttpSender(client, 2, threading.Event())
        yield sender, server
        sender.stop()


def collected(sender: HttpSender) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
    """The first attempts or unattempted messages that there are."""
    ended: list[tuple[list[AttemptResult], list[ClaimedMessage]]] = []

    def collect() -> bool:
        ended.append(sender.collect())
        return any(ended[-1])

    eventually(collect)
    return ended[-1]


def result_of(sender: HttpSender, message: ClaimedMessage) -> AttemptResult:
    sender.submit([message])
    return collected(sender)[0][0]


def reason_of(attempt: AttemptResult) -> Reason:
    assert attempt.submitted.reason is not None
    return attempt.submitted.reason


def requests(server: RawServer) -> list[str]:
    return [" ".join(request.line.split()[:2]) for request in server.requests]


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        ("200 OK", Result.DUPLICATE, ReasonCode.LOOK_UP_FOUND),
        ("410 Gone", Result.REFUSED, ReasonCode.LOOK_UP_REFUSED),
    ],
)
def test_what_the_gateway_knows_is_not_sent_again(status: str, result: Result, reason: ReasonCode) -> None:
    with sending(lambda _: response(status, b"{}")) as (sender, server):
        message = in_doubt()
        attempt = result_of(sender, message)

    assert requests(server) == ["GET /send/1"]
    assert attempt.submitted.result is result
    assert reason_of(attempt).code is reason
    assert attempt.submitted.provider_message_id == "theirs"
    assert not message.in_doubt
    moved = decide(message, attempt.submitted, RETRIES, RETRIES_RANDOM)
    assert moved.status is (MessageStatus.SENT if result is Result.DUPLICATE else MessageStatus.FAILED)
    assert not moved.in_doubt


def test_what_the_gateway_does_not_have_is_sent_at_once_in_the_same_attempt() -> None:
    with sending(lambda method: response("404 Not Found", b"") if method == "GET" else response()) as (sender, server):
        message = in_doubt()
        attempt = result_of(sender, message)

    assert requests(server) == ["GET /send/1", "POST /send/1"]
    assert attempt.submitted.result is Result.ACCEPTED
    assert reason_of(attempt).code is ReasonCode.LOOK_UP_NOT_FOUND
    assert decide(message, attempt.submitted, RETRIES, RETRIES_RANDOM).in_doubt is False


def test_what_is_looked_up_while_the_worker_stops_is_returned_without_an_attempt() -> None:
    asked, stopped = threading.Event(), threading.Event()

    def answer_late(_: str) -> bytes:
        asked.set()
        stopped.wait(PATIENCE)
        return response("404 Not Found", b"")

    with sending(answer_late) as (sender, server):
        message = in_doubt()
        sender.submit([message])
        assert asked.wait(PATIENCE)
        assert sender.stop() == []
        stopped.set()
        attempted, unstarted = collected(sender)

    assert (attempted, unstarted) == ([], [message])
    assert requests(server) == ["GET /send/1"]
    assert sender.in_flight == 0


def test_a_lost_answer_after_a_look_up_is_a_doubt_again() -> None:
    with sending(lambda method: response("404 Not Found", b"") if method == "GET" else None) as (sender, _):
        message = in_doubt()
        attempt = result_of(sender, message)

    assert attempt.submitted.result is Result.AMBIGUOUS
    assert reason_of(attempt).parameters["look_up"] == "not_found"
    assert decide(message, attempt.submitted, RETRIES, RETRIES_RANDOM).in_doubt


@pytest.mark.parametrize("said", [None, response("500 Oops", b"")], ids=["nothing", "an error"])
def test_a_gateway_that_does_not_say_is_asked_again_later(said: bytes | None) -> None:
    with sending(lambda _: said) as (sender, server):
        message = in_doubt(on_unknown=OnUnknown.HOLD)
        attempt = result_of(sender, message)

    assert requests(server) == ["GET /send/1"]
    assert attempt.submitted.result is Result.UNREACHABLE
    assert reason_of(attempt).code is ReasonCode.LOOK_UP_FAILED
    moved = decide(message, attempt.submitted, RETRIES, RETRIES_RANDOM)
    assert (moved.status, moved.in_doubt, moved.uncounted) == (MessageStatus.PENDING, True, True)


@pytest.mark.parametrize(("status", "age"), [("500 Oops", 30.0), ("404 Not Found", 5.0)], ids=["error", "too early"])
def test_a_gateway_that_recognises_ids_gets_it_again_if_it_does_not_say(status: str, age: float) -> None:
    both = MessageGateway("both", deduplicates=True, look_up_after=20.0)
    conflict = response("409 Conflict", b"")
    with sending(lambda method: response(status, b"") if method == "GET" else conflict) as (sender, server):
        message = in_doubt(gateway=both, doubt_age=age, on_unknown=OnUnknown.HOLD)
        attempt = result_of(sender, message)

    assert requests(server) == ["GET /send/1", "POST /send/1"]
    assert attempt.submitted.perhaps_duplicate
    assert message.in_doubt


def test_a_gateway_that_recognises_ids_and_does_not_respond_gets_nothing() -> None:
    with sending(lambda _: None) as (sender, server):
        attempt = result_of(sender, in_doubt(gateway=MessageGateway("both", deduplicates=True, look_up_after=20.0)))

    assert requests(server) == ["GET /send/1"]
    assert attempt.submitted.result is Result.UNREACHABLE


def test_what_is_not_found_soon_after_the_attempt_may_still_appear() -> None:
    with sending(lambda _: response("404 Not Found", b"")) as (sender, server):
        message = in_doubt(doubt_age=5.0)
        attempt = result_of(sender, message)

    assert requests(server) == ["GET /send/1"]
    assert (attempt.submitted.result, message.in_doubt) == (Result.UNREACHABLE, True)


@pytest.mark.parametrize("given", [{"message_id": 1001}, {"doubt_age": 3601.0}], ids=["no id", "forgotten"])
def test_what_cannot_be_asked_for_is_repeated_or_held_as_the_mailing_says(given: dict[str, Any]) -> None:
    with sending(lambda _: response()) as (sender, server):
        held = in_doubt(**{"message_id": 7, "on_unknown": OnUnknown.HOLD, **given})
        attempt = result_of(sender, held)
        assert requests(server) == []
        result_of(sender, in_doubt(**{"message_id": 8, **given}))

    assert [request.split()[0] for request in requests(server)] == ["POST"]
    moved = decide(held, attempt.submitted, RETRIES, RETRIES_RANDOM)
    assert (moved.status, moved.in_doubt) == (MessageStatus.UNKNOWN, True)


def test_a_message_that_is_not_in_doubt_is_sent_without_a_look_up() -> None:
    with sending(lambda _: response()) as (sender, server):
        result_of(sender, in_doubt(in_doubt=False))
        result_of(sender, in_doubt(2, gateway=MessageGateway("cannot be asked")))

    assert requests(server) == ["POST /send/1", "POST /send/2"]


def test_one_whose_window_closes_during_the_look_up_is_returned_unsent() -> None:
    message = in_doubt()

    def answer(method: str) -> bytes:
        message.start_by = 0.0
        return response("404 Not Found", b"")

    with sending(answer) as (sender, server):
        sender.submit([message])
        _, unstarted = collected(sender)

    assert unstarted == [message]
    assert requests(server) == ["GET /send/1"]
    assert message.in_doubt


def test_one_whose_slot_ends_during_the_look_up_is_sent_in_its_next_slot_without_another_look_up() -> None:
    first = in_doubt()

    def answer(method: str) -> bytes:
        first.begin_by = 0.0
        return response("404 Not Found", b"") if method == "GET" else response()

    with sending(answer) as (sender, server):
        sender.submit([first])
        collected(sender)
        attempt = result_of(sender, in_doubt())

    assert requests(server) == ["GET /send/1", "POST /send/1"]
    assert reason_of(attempt).code is ReasonCode.LOOK_UP_NOT_FOUND


def test_one_that_was_attempted_since_is_looked_up_anew() -> None:
    first = in_doubt()

    def answer(method: str) -> bytes:
        first.begin_by = 0.0
        return response("404 Not Found", b"") if method == "GET" else response()

    with sending(answer) as (sender, server):
        sender.submit([first])
        collected(sender)
        result_of(sender, replace(first, number=3, in_doubt=True, begin_by=math.inf))

    assert requests(server) == ["GET /send/1", "GET /send/1", "POST /send/1"]


@pytest.mark.parametrize("on_unknown", OnUnknown)
def test_a_doubt_waits_for_the_look_up_whatever_the_mailing_says_and_however_often_it_was_tried(
    on_unknown: OnUnknown,
) -> None:
    moved = verdict(LOST, number=RETRIES.max_attempts, gateway=ASKED, on_unknown=on_unknown)

    assert (moved.status, moved.in_doubt) == (MessageStatus.PENDING, True)
    assert moved.delay >= 20.0


def test_a_gateway_that_deduplicates_may_get_a_held_message_again() -> None:
    held = verdict(LOST, gateway=DEDUPLICATES, on_unknown=OnUnknown.HOLD)
    spent = verdict(LOST, number=RETRIES.max_attempts, gateway=DEDUPLICATES, on_unknown=OnUnknown.HOLD)

    assert held.status is MessageStatus.PENDING
    assert spent.status is MessageStatus.UNKNOWN
