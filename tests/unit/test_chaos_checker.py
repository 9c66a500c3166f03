"""The checker of chaos runs: a clean run passes, and each invariant is found violated in facts that violate it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar, cast

import pytest

from tests.chaos.checker import INVARIANTS, check
from tests.chaos.facts import (
    AskedFor,
    Attempt,
    BatchMove,
    Call,
    Cap,
    ClaimMove,
    ClientMove,
    Event,
    Facts,
    GatewayFact,
    MailingMove,
    MessageMove,
    PathMove,
    ReportedReceipt,
    Request,
    Sample,
    StoredReceipt,
    SuppressionMove,
    Text,
)
from tests.chaos.gateways import body_of
from tests.chaos.invariants_messages import keeps_its_text
from tests.chaos.message_history import Ledgers, MessageHistory

Row = TypeVar("Row", bound=NamedTuple)
Change = Callable[[Facts], None]

PHONE = 79161234567
WORKER = "chaos-1-10-abc"
BODY = json.dumps({"id": 1, "phone": PHONE, "text": "Hello"}, separators=(",", ":")).encode()
PLAIN = GatewayFact(2, "plain", "gonets")
REPORTED = ReportedReceipt("default", 1, "own", 1, 1, "abc", PHONE, "delivered", None, "ok", None, None, None, 20.9)
STORED = StoredReceipt("receipt", 1, 1, "abc", "delivered", None, None, 1)
SETTLED = 3
"""The mailing's last move; its first is its creation, then it is launched."""


def clean() -> Facts:
    """One message of one mailing to one client: claimed at 11 s, lost, claimed again at 20 s, accepted, sent."""
    facts = Facts(
        clients=[ClientMove(1, PHONE, "916", "vip", True, 0.9, 1.0)],
        mailings=[
            _mailing(2.0, status="scheduled", audience=0, launch_started=False, launched=False),
            _mailing(10.0, audience=0, launched=False),
            _mailing(10.1),
            _mailing(30.0, status="finished", settled=True),
        ],
        messages=[
            _message(10.1, "pending", 0),
            _message(11.0, "sending", 1),
            _message(18.0, "pending", 1, in_doubt=True, by="gonets worker chaos-2-11-def"),
            _message(20.0, "sending", 2, in_doubt=True),
            _message(20.5, "sent", 2, in_doubt=True),
        ],
        attempts=[
            Attempt(1, 1, 11.0, None, "ambiguous", None, None, WORKER),
            Attempt(1, 2, 20.1, 0.2, "accepted", "200", None, WORKER),
        ],
        texts=[Text(1, 1, "Hello")],
        requests=[_request(1, 11.1, answered_at=None, status=None), _request(2, 20.1)],
        samples=[Sample(15.0, 1, 1, {"sending": 1}, {"sending": 1})],
        calls=[Call("POST", "/v1/mailing/create/", {"text": "Hello"}, 1.9, 2.1, 201, {"id": 1})],
        events=[Event(40.0, "exit", "chaos-1-10-", "0")],
    )
    _add_work(facts)
    return facts


def test_a_clean_run_violates_nothing() -> None:
    assert check(clean()) == []


def test_a_clean_run_of_a_template_violates_nothing() -> None:
    facts = clean()
    _fill_in(facts)
    assert check(facts) == []


def test_a_clean_run_with_receipts_violates_nothing() -> None:
    facts = clean()
    _reported(facts)
    assert check(facts) == []


def test_a_receipt_of_another_gateway_or_of_nobody_is_of_no_message() -> None:
    facts = clean()
    foreign = REPORTED._replace(sequence=2, about="foreign", message_id=0, provider_message_id="x", state="undelivered")
    others = foreign._replace(gateway="plain", provider_message_id="y"), foreign._replace(phone=PHONE + 1)
    rows = [
        StoredReceipt("receipt_orphan", None, gateway, theirs, "undelivered", None, None, 1)
        for gateway, theirs in ((2, "y"), (1, "x"))
    ]
    _reported(facts, reported=(REPORTED, *others), stored=(STORED, *rows))
    facts.gateways = [*facts.gateways, PLAIN]
    assert check(facts) == []


@pytest.mark.parametrize("answered", [True, False])
def test_a_poison_message_becomes_due_with_an_answer_that_came_late_and_not_otherwise(answered: bool) -> None:
    facts = clean()
    _put(facts, "messages", 2, due_at=float("inf"))
    facts.messages = [
        *facts.messages[:3],
        facts.messages[2]._replace(due_at=19.0, committed_at=19.0),
        *facts.messages[3:],
    ]
    _add_work(facts)
    if answered:
        late = Attempt(1, 1, 11.0, 7.9, "ambiguous", None, "ambiguous", WORKER, committed_at=19.0)
        _append(facts, "attempts", late)
    assert ("legal transitions" in {violation.invariant for violation in check(facts)}) is not answered


def expect(invariant: str, change: Change, what: str) -> Any:
    return pytest.param(invariant, change, id=f"{invariant}: {what}")


@pytest.mark.parametrize(
    ("invariant", "change"),
    [
        expect("one message", lambda facts: _drop_message(facts), "a client has none"),
        expect("one message", lambda facts: _append(facts, "messages", _message(10.2, "pending", 0, id=2)), "two"),
        expect("one message", lambda facts: _put(facts, "clients", 0, tag="other"), "of somebody else"),
        expect(
            "one message", lambda facts: _put(facts, "clients", 0, began_at=10.05, committed_at=10.06), "a newcomer"
        ),
        expect("final status", lambda facts: _cut(facts, "messages", 4), "a message is still on its way"),
        expect("final status", lambda facts: _cut(facts, "mailings", SETTLED), "a mailing still runs"),
        expect(
            "final status", lambda facts: _put(facts, "mailings", SETTLED, settled=False), "a mailing is not settled"
        ),
        expect("conservation", lambda facts: _put(facts, "samples", 0, audience=2), "one of the audience is missing"),
        expect("conservation", lambda facts: _put(facts, "samples", 0, tallied={"sent": 1}), "the tally is wrong"),
        expect("conservation", lambda facts: _put(facts, "mailings", SETTLED, audience=2), "at the end"),
        expect("conservation", lambda facts: _append(facts, "calls", _list_of(audience=2)), "by the API's account"),
        expect("sent was accepted", lambda facts: _no_accepts(facts), "never"),
        expect("sent was accepted", lambda facts: _accept_late(facts), "later"),
        expect("repeats explained", lambda facts: _put(facts, "attempts", 0, result="unreachable"), "no doubt"),
        expect("same body", lambda facts: _put(facts, "requests", 1, body_hash="other"), "a repeat with another"),
        expect("same body", lambda facts: _rewrite(facts), "not the ledger's"),
        expect("same body", lambda facts: _put(facts, "messages", 3, text_revision=2), "another text"),
        expect("same body", lambda facts: _put(facts, "messages", 3, phone_number=1), "another phone number"),
        expect("same body", lambda facts: _fill_in(facts, "Anna", "Zoë"), "other values"),
        expect("same body", lambda facts: _fill_in(facts, body="Zoë"), "a body of other values"),
        expect("same body", lambda facts: _fill_in(facts, repeat="Zoë"), "a repeat of other values"),
        expect("edits applied", lambda facts: _fill_in(facts, client="Zoë"), "values of nobody"),
        expect("edits applied", lambda facts: _put(facts, "mailings", 2, text_revision=2), "an old text"),
        expect("edits applied", lambda facts: _put(facts, "clients", 0, phone_number=1), "an old phone number"),
        expect("inside the window", lambda facts: _window(facts, end=19.0), "claimed after its end"),
        expect("inside the window", lambda facts: _window(facts, start=19.0), "claimed before its start"),
        expect("inside the window", lambda facts: _window(facts, end=20.05), "begun after its end, as it says itself"),
        expect("inside the window", lambda facts: _late_request(facts, 20.01), "begun after its end"),
        expect("changes take effect", lambda facts: _stop(facts, status="paused"), "sent seconds after a pause"),
        expect("changes take effect", lambda facts: _stop(facts, status="cancelled"), "after a cancellation"),
        expect("changes take effect", lambda facts: _stop(facts, end_datetime=20.2), "after an earlier end"),
        expect("nothing claimed when stopped", lambda facts: _pause(facts), "claimed while paused"),
        expect(
            "nothing claimed when stopped", lambda facts: _leave(facts, at=19.0), "claimed for somebody who has left"
        ),
        expect("lease respected", lambda facts: _late_request(facts, 3600.0), "begun when the lease was nearly over"),
        expect("rate limited", lambda facts: _hurry(facts), "more in a second than the rate"),
        expect("no overlap", lambda facts: _overlap(facts), "the first is still under way"),
        expect("claimed first", lambda facts: _put(facts, "requests", 0, started_at=10.9), "the claim came later"),
        expect("claimed first", lambda facts: _append(facts, "requests", _request(3, 20.3)), "no claim is left for it"),
        expect("claimed first", lambda facts: _put(facts, "requests", 1, id=7), "an id that is no message's"),
        expect("claimed first", lambda facts: _put(facts, "messages", 3, attempts=1), "the attempt was not counted"),
        expect("legal transitions", lambda facts: _put(facts, "messages", 2, began_at=12.0), "taken back too early"),
        expect("legal transitions", lambda facts: _give_up(facts, at=12.0), "given up too early, by its own holder"),
        expect("legal transitions", lambda facts: _put(facts, "messages", 2, in_doubt=False), "lost without a doubt"),
        expect("legal transitions", lambda facts: _claim_twice(facts), "claimed while in somebody's hands"),
        expect("legal transitions", lambda facts: _put(facts, "messages", 2, due_at=25.0), "claimed before it was due"),
        expect("legal transitions", lambda facts: _put(facts, "messages", 3, in_doubt=False), "the doubt is forgotten"),
        expect("legal transitions", lambda facts: _end_as(facts, "expired"), "expired while in somebody's hands"),
        expect(
            "legal transitions", lambda facts: _append(facts, "messages", _message(25.0, "pending", 2)), "sent no more"
        ),
        expect("legal transitions", lambda facts: _append(facts, "messages", _message(25.0, "deleted", 2)), "deleted"),
        expect("legal transitions", lambda facts: _put(facts, "messages", 0, attempts=1), "not new when it began"),
        expect("legal transitions", lambda facts: _settle(facts, at=19.0), "settled too early"),
        expect("queued", lambda facts: _cut(facts, "batches", 2), "a retry is in no batch"),
        expect("queued", lambda facts: _put(facts, "batches", 1, committed_at=10.5), "taken out and not claimed"),
        expect("queued", lambda facts: _shorten(facts), "left out of a batch that was shortened"),
        expect("queued", lambda facts: _put(facts, "batches", 0, message_ids=[7]), "the batch names another one"),
        expect("queued", lambda facts: _put(facts, "batches", 0, mailing_id=2), "in another mailing's batch"),
        expect("queued", lambda facts: _put(facts, "batches", 0, due_at=9.0), "in a batch that is due too early"),
        expect("queued", lambda facts: _put(facts, "batches", 0, due_at=10.5), "in a batch that is due too late"),
        expect("queued", lambda facts: _put(facts, "batches", 0, committed_at=10.2), "queued in another transaction"),
        expect("held", lambda facts: _put(facts, "claims", 1, committed_at=17.0), "the claim is deleted meanwhile"),
        expect("held", lambda facts: _cut(facts, "claims", 2), "there is no such claim"),
        expect("held", lambda facts: _put(facts, "claims", 0, message_ids=[7]), "the claim names another one"),
        expect("held", lambda facts: _put(facts, "claims", 0, committed_at=11.1), "the claim is made later"),
        expect("held", lambda facts: _insert(facts, "claims", 1, facts.claims[0]), "the claim is changed"),
        expect("claims end", lambda facts: _cut(facts, "claims", 3), "one is left"),
        expect("claims end", lambda facts: _put(facts, "claims", 3, committed_at=20.6), "one outlives its messages"),
        expect(
            "claims end", lambda facts: _append(facts, "claims", facts.claims[0]._replace(claim_id=9)), "an empty one"
        ),
        expect("attempts recorded", lambda facts: _cut(facts, "attempts", 1), "one is not written down"),
        expect("attempts recorded", lambda facts: _append(facts, "attempts", _attempt(3)), "one too many"),
        expect("attempts recorded", lambda facts: _append(facts, "attempts", _attempt(2)), "one is changed"),
        expect("attempts recorded", lambda facts: _put(facts, "attempts", 1, present=False), "one is removed"),
        expect("answers recorded", lambda facts: _read_wrongly(facts, result="refused"), "an acceptance as a refusal"),
        expect("answers recorded", lambda facts: _read_wrongly(facts, provider_code="500"), "another status"),
        expect("answers recorded", lambda facts: _read_wrongly(facts, result="unreachable"), "a request that came"),
        expect("acceptance recorded", lambda facts: _end_as(facts, "unknown"), "an acceptance, and it is unknown"),
        expect("acceptance recorded", lambda facts: _accept(facts, at=19.0), "a late one that changed nothing"),
        expect("doubt recorded", lambda facts: _end_as(facts, "failed"), "failed, and the gateway accepted it"),
        expect("hold respected", lambda facts: _hold(facts), "tried again"),
        expect("attempts limited", lambda facts: _limit(facts, 1), "one more"),
        expect("acknowledged", lambda facts: _append(facts, "calls", _act("pause")), "a pause"),
        expect("acknowledged", lambda facts: _append(facts, "calls", _act("cancel")), "a cancellation"),
        expect("acknowledged", lambda facts: _append(facts, "calls", _remove("mailing")), "a mailing's removal"),
        expect("acknowledged", lambda facts: _append(facts, "calls", _remove("client")), "a client's removal"),
        expect("acknowledged", lambda facts: _put(facts, "calls", 0, body={"text": "Bye"}), "a text"),
        expect("acknowledged", lambda facts: _put(facts, "calls", 0, said={"id": 9}), "a mailing that is not there"),
        expect("idempotent", lambda facts: _repeat(facts), "a mailing twice"),
        expect("idempotent", lambda facts: _answer_twice(facts), "two answers"),
        expect("attempts counted", lambda facts: _refuse_account(facts), "a refusal of the account counts"),
        expect("doubt stays", lambda facts: _claim_elsewhere(facts), "claimed for another gateway"),
        expect("doubt stays", lambda facts: _submit_elsewhere(facts), "submitted to another gateway"),
        expect("doubt stays", lambda facts: _queue_elsewhere(facts), "queued for another gateway"),
        expect("look-ups read", lambda facts: _be_asked(facts), "not asked before a repeat"),
        expect("look-ups read", lambda facts: _misread(facts), "not found, and the gateway had it"),
        expect("look-ups read", lambda facts: _only_ask(facts), "submitted by an attempt that only asked"),
        expect("taken where named", lambda facts: _put(facts, "requests", 1, gateway="plain"), "by another one"),
        expect("taken where named", lambda facts: _take_elsewhere(facts), "by another one too"),
        expect("delivered once", lambda facts: _be_asked(facts), "twice"),
        expect("inside the local window", lambda facts: _live_in(facts, "Europe/Moscow"), "after it has closed"),
        expect("inside the local window", lambda facts: _live_in(facts, "Nowhere/Unknown"), "in an unknown zone"),
        expect("suppressions respected", lambda facts: _suppress(facts, 18.5, "marketing"), "claimed all the same"),
        expect("suppressions respected", lambda facts: _suppress(facts, 11.5, "gateway"), "claimed for its gateway"),
        expect("suppressions respected", lambda facts: _wait_on(facts), "left pending"),
        expect(
            "suppressions respected",
            lambda facts: _append(facts, "events", Event(12.0, "keyword", str(PHONE), "STOP")),
            "a refusal that nobody heard",
        ),
        expect("caps respected", lambda facts: _get_two(facts), "two messages in an hour"),
        expect("rules explained", lambda facts: _rule_out(facts, "suppressed"), "no suppression"),
        expect("rules explained", lambda facts: _rule_out(facts, "over_cap"), "no cap"),
        expect("rules explained", lambda facts: _rule_out(facts, "no_local_time"), "no local window"),
        expect("load returns", lambda facts: _stay_away(facts), "another gateway keeps the path"),
        expect(
            "deliveries conserved",
            lambda facts: _put(facts, "samples", 0, tallied_deliveries={"awaiting": 1}),
            "a count",
        ),
        expect("receipts kept", lambda facts: _reported(facts, stored=()), "not stored"),
        expect("receipts kept", lambda facts: _report_twice(facts), "stored once, and came twice"),
        expect("receipts applied", lambda facts: _leave_in_queue(facts), "left in the queue"),
        expect(
            "receipts matched", lambda facts: _reported(facts, stored=(STORED._replace(gateway_id=2),)), "another's"
        ),
        expect("delivery folded", lambda facts: _reported(facts, delivery="no_receipt"), "one was not looked at"),
        expect("delivery folded", lambda facts: _reported(facts, reported=(), stored=()), "of no receipt"),
        expect("delivery folded", lambda facts: _reported(facts, conflicting=True), "no contradiction"),
        expect("doubts settled", lambda facts: _leave_in_doubt(facts), "unknown, and reported"),
        expect("doubts settled", lambda facts: _settle_and_claim(facts), "claimed after a receipt"),
        expect("delivery final", lambda facts: _await_again(facts), "awaited again"),
        expect("silence", lambda facts: _give_up_waiting(facts), "before the deadline"),
        expect(
            "forged refused", lambda facts: _reported(facts, reported=(REPORTED._replace(about="forged"),)), "taken"
        ),
        expect("verified", lambda facts: _append(facts, "events", Event(31.0, "verify", "", "1")), "a fault is found"),
        expect("no crash", lambda facts: _append(facts, "events", Event(1.0, "died", "chaos-1-10-")), "one died"),
        expect("no crash", lambda facts: _put(facts, "events", 0, detail="1"), "one did not stop well"),
    ],
)
def test_a_violation_is_found(invariant: str, change: Change) -> None:
    facts = clean()
    change(facts)
    assert invariant in {violation.invariant for violation in check(facts)}


def test_every_invariant_is_tried() -> None:
    marks = test_a_violation_is_found.pytestmark  # type: ignore[attr-defined]
    assert {case.values[0] for case in marks[0].args[1]} == set(INVARIANTS)


def test_a_request_that_its_worker_had_begun_before_it_was_stopped_may_come_late() -> None:
    facts = clean()
    _put(facts, "requests", 0, started_at=19.0, accepted_at=19.0)
    assert "lease respected" in {violation.invariant for violation in check(facts)}
    facts.events = [Event(11.05, "stop", "chaos-1-10-"), Event(18.9, "continue", "chaos-1-10-")]
    assert check(facts) == []


def test_one_that_it_began_only_when_it_came_to_may_not() -> None:
    facts = clean()
    _put(facts, "requests", 0, started_at=19.0, accepted_at=19.0)
    _put(facts, "attempts", 0, duration=0.2, late_result="accepted")
    facts.events = [Event(11.05, "stop", "chaos-1-10-"), Event(18.9, "continue", "chaos-1-10-")]
    assert "lease respected" in {violation.invariant for violation in check(facts)}


def test_requests_may_overlap_once_the_lease_has_expired() -> None:
    facts = clean()
    _put(facts, "requests", 0, answered_at=20.2)
    assert check(facts) == []


@pytest.mark.parametrize("timezone", ["Europe/London", "Atlantic/Azores"])
def test_a_local_window_is_that_of_the_client_when_it_is_claimed(timezone: str) -> None:
    facts = clean()
    _live_in(facts, timezone)
    is_outside = "inside the local window" in {violation.invariant for violation in check(facts)}
    assert is_outside is (timezone != "Europe/London")


def test_a_claim_that_was_begun_before_a_suppression_may_take_what_became_pending_meanwhile() -> None:
    facts = clean()
    _suppress(facts, 19.995, "gateway")
    _put(facts, "messages", 3, began_at=19.99)
    facts.suppressions = [facts.suppressions[0]._replace(began_at=17.0)]
    assert "suppressions respected" not in {violation.invariant for violation in check(facts)}


def test_a_lifted_suppression_covers_nothing() -> None:
    facts = clean()
    _suppress(facts, 10.5, "gateway")
    facts.suppressions = [*facts.suppressions, facts.suppressions[0]._replace(lifted=True, committed_at=10.7)]
    assert check(facts) == []


@pytest.mark.parametrize("reason", ["outside_local_window", None])
def test_what_a_claim_takes_back_in_its_transaction_was_never_claimed(reason: str | None) -> None:
    facts = clean()
    taken = _message(10.5, "sending", 1)
    withdrawn = taken._replace(status="pending", attempts=0, reason_code=reason, text_revision=None)
    history = Ledgers(replace(facts, messages=[facts.messages[0], taken, withdrawn])).histories[1]
    assert bool(history.claims) is (reason is None)


def test_a_released_claim_counts_as_none() -> None:
    facts = clean()
    _insert(facts, "messages", 1, _message(10.5, "sending", 1, claim_id=9), _message(10.6, "pending", 0))
    _add_work(facts)
    assert check(facts) == []


def test_who_leaves_or_comes_while_a_launch_runs_may_have_a_message_or_none() -> None:
    facts = clean()
    facts.clients = [
        *facts.clients,
        ClientMove(2, 1, "1", "vip", True, 9.9, 10.05),
        ClientMove(3, 2, "2", "vip", True, 1.0, 1.1),
        ClientMove(3, 2, "2", "vip", False, 10.02, 10.05),
    ]
    assert check(facts) == []


def test_a_call_without_an_answer_may_have_happened_or_not() -> None:
    facts = clean()
    _append(facts, "calls", _act("pause")._replace(status=None))
    _append(facts, "calls", _act("pause")._replace(status=503))
    assert check(facts) == []


def test_a_person_may_have_what_has_failed_tried_again() -> None:
    facts = clean()
    again = _message(18.5, "pending", 1, in_doubt=True, by="gonets-api")
    _insert(facts, "messages", 3, _message(18.2, "unknown", 1, in_doubt=True, by="gonets-api"), again)
    _add_work(facts)
    _leave(facts, at=18.2)
    _append(facts, "clients", ClientMove(1, PHONE, "916", "vip", True, 18.3, 18.3))
    assert check(facts) == []


def test_a_claim_whose_message_another_workers_acceptance_has_ended_may_stay_until_its_lease_expires() -> None:
    facts = clean()
    _put(facts, "messages", 4, by="gonets worker chaos-2-11-def")
    _put(facts, "claims", 3, committed_at=27.0)
    assert check(facts) == []


def test_a_message_may_be_in_a_batch_that_is_due_a_quarter_of_a_second_later_and_in_stale_ones() -> None:
    facts = clean()
    _put(facts, "batches", 0, due_at=10.25)
    _append(facts, "batches", BatchMove(9, 1, 12.0, [1], True, 10.1, WORKER))
    assert check(facts) == []


def test_what_a_look_up_has_found_is_sent_without_a_request() -> None:
    facts = clean()
    _be_asked(facts)
    _cut(facts, "requests", 1)
    found = Attempt(1, 2, 20.1, 0.2, "duplicate", "7", None, WORKER, reason_code="look_up_found")
    facts.attempts = [facts.attempts[0], found]
    facts.look_ups = [AskedFor(1, 20.1, True, "looked_up")]
    assert check(facts) == []


def test_what_a_look_up_has_not_found_may_go_to_another_gateway() -> None:
    facts = clean()
    _be_asked(facts)
    _put(facts, "requests", 0, accepted_at=None, outcome="reset_before_accept")
    asked = Attempt(1, 2, 20.1, 0.2, "no_credit", "12", None, WORKER, look_up="not_found")
    facts.attempts = [
        facts.attempts[0],
        asked,
        Attempt(1, 3, 22.1, 0.2, "accepted", "200", None, WORKER, gateway="plain"),
    ]
    facts.look_ups = [AskedFor(1, 20.1, False, "looked_up")]
    facts.messages = [
        *facts.messages[:4],
        _message(20.5, "pending", 2, uncounted_attempts=1, gateway_id=1),
        _message(22.0, "sending", 3, uncounted_attempts=1, gateway_id=2),
        _message(22.5, "sent", 3, uncounted_attempts=1, gateway_id=2),
    ]
    _put(facts, "requests", 1, accepted_at=None, outcome="answer")
    _append(facts, "requests", _request(1, 22.1, gateway="plain"))
    _add_work(facts)
    assert check(facts) == []


def _add_work(facts: Facts) -> None:
    """The batches and claims that the message was in."""
    facts.batches, facts.claims = [], []
    ends = [*(move.committed_at for move in facts.messages[1:]), None]
    for move, end in zip(facts.messages, ends, strict=True):
        ids, at, by = [move.message_id], move.committed_at, move.by
        if move.status == "pending":
            number = len(facts.batches) + 1
            _add_row(facts, "batches", BatchMove(number, move.mailing_id, move.due_at, ids, True, at, by), end)
        elif move.status == "sending":
            assert move.claim_id
            assert move.worker
            assert move.lease_until
            _add_row(facts, "claims", ClaimMove(move.claim_id, move.worker, move.lease_until, ids, True, at, by), end)


def _add_row(facts: Facts, name: str, made: Any, end: float | None) -> None:
    """A row that is deleted at `end`."""
    _append(facts, name, made)
    if end is not None:
        _append(facts, name, made._replace(present=False, committed_at=end))


def _shorten(facts: Facts) -> None:
    _insert(facts, "batches", 1, facts.batches[0]._replace(message_ids=[7], committed_at=10.5))


def _mailing(at: float, **given: Any) -> MailingMove:
    move = MailingMove(
        1,
        "vip",
        5.0,
        3600.0,
        "running",
        "resend",
        1,
        1,
        True,
        True,
        False,
        False,
        True,
        at - 0.001,
        at,
        "gonets worker",
    )
    return move._replace(**given)


def _message(at: float, status: str, attempts: int, *, id: int = 1, **given: Any) -> MessageMove:
    held = status == "sending"
    move = MessageMove(
        id, 1, 1, PHONE, status, attempts, 0, False, 1 if attempts else None, 10.0,
        attempts or None, at + 6.5 if held else None, WORKER if held else None, None, at - 0.001, at,
        f"gonets worker {WORKER}",
    )  # fmt: skip
    return move._replace(**given)


def _request(sequence: int, at: float, **given: Any) -> Request:
    entry = Request(sequence, 1, PHONE, sha256(BODY).hexdigest(), True, "accepted", 200, at, at, at + 0.1)
    return entry._replace(**given)


def _attempt(number: int) -> Attempt:
    return Attempt(1, number, 20.1, 0.2, "retriable", "200", None, WORKER)


def _act(action: str) -> Call:
    return Call("POST", f"/v1/mailing/1/{action}/", None, 12.0, 12.1, 200, {"id": 1})


def _remove(what: str) -> Call:
    return Call("DELETE", f"/v1/{what}/1/", None, 12.0, 12.1, 204, None)


def _list_of(audience: int) -> Call:
    said = [{"id": 1, "audience": audience, "messages": {"sent": 1, "failed": 0}}]
    return Call("GET", "/v1/mailing/?limit=1000", None, 12.0, 12.1, 200, said)


def _put(facts: Facts, name: str, place: int, **given: Any) -> None:
    rows = list(getattr(facts, name))
    rows[place] = rows[place]._replace(**given)
    setattr(facts, name, rows)


def _append(facts: Facts, name: str, row: Any) -> None:
    setattr(facts, name, [*getattr(facts, name), row])


def _insert(facts: Facts, name: str, place: int, *new: Any) -> None:
    rows: Sequence[Any] = getattr(facts, name)
    setattr(facts, name, [*rows[:place], *new, *rows[place:]])


def _cut(facts: Facts, name: str, place: int) -> None:
    rows: Sequence[Any] = getattr(facts, name)
    setattr(facts, name, rows[:place])


def _drop_message(facts: Facts) -> None:
    facts.messages, facts.attempts, facts.requests = [], [], []


def _rewrite(facts: Facts) -> None:
    facts.texts = [Text(1, 1, "Bye")]


def _fill_in(
    facts: Facts, first: str = "Anna", second: str = "Anna", *, client: str = "Anna", body: str = "", repeat: str = ""
) -> None:
    """Makes the text a template. `first` and `second` are the values of the two attempts, and `body` and `repeat` those
    that the gateway saw, if they differ from them.
    """
    facts.texts = [Text(1, 1, "Hello, {{ name }}!", ["name"])]
    _put(facts, "calls", 0, body={"text": "Hello, {{ name }}!"})
    facts.clients = [move._replace(name=client) for move in facts.clients]
    facts.messages = [
        move._replace(text_values=None if move.text_revision is None else [second if place > 2 else first])
        for place, move in enumerate(facts.messages)
    ]
    for place, name in enumerate((body or first, repeat or body or second)):
        said = body_of(facts.gateways[0], 1, PHONE, f"Hello, {name}!")
        _put(facts, "requests", place, body_hash=sha256(said.encode()).hexdigest())


def _live_in(facts: Facts, timezone: str) -> None:
    """The local window closes at 01:01. It is 01:00 in London, which kept summer time throughout 1970."""
    _put(facts, "clients", 0, timezone=timezone)
    for place in range(len(facts.mailings)):
        _put(facts, "mailings", place, local_from=0, local_until=61, local_weekdays=127)


def _suppress(facts: Facts, at: float, scope: str) -> None:
    gateway_id = 1 if scope == "gateway" else None
    facts.suppressions = [SuppressionMove(1, PHONE, scope, gateway_id, False, at - 0.01, at)]
    for place in (1, 3):
        _put(facts, "messages", place, gateway_id=1)


def _wait_on(facts: Facts) -> None:
    """The message is cancelled, but not in the transaction that records the suppression."""
    _suppress(facts, 10.5, "everything")
    facts.messages = [facts.messages[0], _message(10.6, "cancelled", 0, reason_code="suppressed")]


def _get_two(facts: Facts) -> None:
    facts.caps = [Cap(1, 1)]
    for name in ("messages", "attempts", "requests"):
        key = "id" if name == "requests" else "message_id"
        setattr(facts, name, [*getattr(facts, name), *(row._replace(**{key: 2}) for row in getattr(facts, name))])


def _rule_out(facts: Facts, reason: str) -> None:
    facts.messages = [facts.messages[0], _message(12.0, "cancelled", 0, reason_code=reason)]
    facts.requests, facts.attempts = [], []


def _repeat(facts: Facts) -> None:
    _put(facts, "calls", 0, key="a")
    facts.texts = [Text(1, 1, "Hello"), Text(2, 1, "Hello")]


def _answer_twice(facts: Facts) -> None:
    _put(facts, "calls", 0, key="a")
    _append(facts, "calls", facts.calls[0]._replace(said={"id": 2}))


def _no_accepts(facts: Facts) -> None:
    for place in range(2):
        _put(facts, "requests", place, accepted_at=None, outcome="refused")


def _accept_late(facts: Facts) -> None:
    _no_accepts(facts)
    _put(facts, "requests", 1, accepted_at=21.0)


def _window(facts: Facts, start: float = 5.0, end: float = 3600.0) -> None:
    for place in range(len(facts.mailings)):
        _put(facts, "mailings", place, start_datetime=start, end_datetime=end)


def _late_request(facts: Facts, end: float) -> None:
    _window(facts, end=end)
    _put(facts, "attempts", 1, started_at=20.0)
    _put(facts, "requests", 1, started_at=26.3, accepted_at=26.3, answered_at=26.4)
    _put(facts, "messages", 4, began_at=26.5, committed_at=26.5)


def _pause(facts: Facts) -> None:
    _insert(facts, "mailings", SETTLED, _mailing(19.0, status="paused"))


def _stop(facts: Facts, **change: Any) -> None:
    _insert(facts, "mailings", SETTLED, _mailing(20.2, **change))
    _put(facts, "attempts", 1, started_at=22.5)
    _put(facts, "requests", 1, started_at=22.5, accepted_at=22.5, answered_at=22.6)
    _put(facts, "messages", 4, began_at=22.8, committed_at=22.8)


def _leave(facts: Facts, at: float) -> None:
    _append(facts, "clients", ClientMove(1, PHONE, "916", "vip", False, at, at))


def _hurry(facts: Facts) -> None:
    facts.settings = replace(facts.settings, gateway_rate=1.0)
    _append(facts, "requests", _request(3, 20.9))


def _overlap(facts: Facts) -> None:
    _put(facts, "attempts", 0, duration=9.3)
    _put(facts, "requests", 0, answered_at=20.3)
    _put(facts, "requests", 1, started_at=17.0, accepted_at=17.0, answered_at=17.1)


def _claim_twice(facts: Facts) -> None:
    _insert(facts, "messages", 2, _message(12.0, "sending", 2, worker="chaos-2-11-def"))


def _give_up(facts: Facts, at: float) -> None:
    _put(facts, "messages", 2, began_at=at, by=f"gonets worker {WORKER}")


def _end_as(facts: Facts, status: str) -> None:
    _put(facts, "messages", 4, status=status)


def _settle(facts: Facts, at: float) -> None:
    _put(facts, "mailings", SETTLED, began_at=at, committed_at=at)


def _read_wrongly(facts: Facts, **given: Any) -> None:
    """The message is sent at once, and its one attempt says something else."""
    facts.messages = [facts.messages[0], facts.messages[1], _message(12.0, "sent", 1)]
    facts.attempts = [Attempt(1, 1, 11.0, 0.2, "accepted", "200", None, WORKER)._replace(**given)]
    facts.requests = [_request(1, 11.1)]


def _accept(facts: Facts, at: float) -> None:
    """The first attempt's answer comes late."""
    late = facts.attempts[0]._replace(duration=7.9, late_result="accepted", committed_at=at)
    _insert(facts, "attempts", 1, late)


def _hold(facts: Facts) -> None:
    for place in range(len(facts.mailings)):
        _put(facts, "mailings", place, on_unknown="hold")


def _refuse_account(facts: Facts) -> None:
    _put(facts, "attempts", 0, duration=0.2, result="no_credit")


def _claim_elsewhere(facts: Facts) -> None:
    _put(facts, "messages", 2, gateway_id=1)
    _put(facts, "messages", 3, gateway_id=2)


def _submit_elsewhere(facts: Facts) -> None:
    facts.gateways = [*facts.gateways, PLAIN]
    _put(facts, "messages", 3, gateway_id=2)
    _put(facts, "attempts", 1, gateway="plain")
    _put(facts, "requests", 1, gateway="plain")


def _queue_elsewhere(facts: Facts) -> None:
    facts.paths = [PathMove(1, 1, [1, 2], 1, 0.0)]
    _put(facts, "messages", 2, gateway_id=1)


def _be_asked(facts: Facts) -> None:
    """The gateway is one that deduplicates and can be asked; what it got is as it wants it."""
    facts.gateways = [GatewayFact(1, "default", "infobip"), PLAIN]
    body = body_of(facts.gateways[0], 1, PHONE, "Hello")
    for place in range(len(facts.requests)):
        _put(facts, "requests", place, contract="infobip", body_hash=sha256(body.encode()).hexdigest())


def _misread(facts: Facts) -> None:
    _be_asked(facts)
    _put(facts, "attempts", 1, reason_code="look_up_not_found")
    facts.look_ups = [AskedFor(1, 20.05, True, "looked_up")]


def _only_ask(facts: Facts) -> None:
    _be_asked(facts)
    _put(facts, "attempts", 1, result="unreachable", reason_code="look_up_failed")


def _take_elsewhere(facts: Facts) -> None:
    facts.gateways = [*facts.gateways, PLAIN]
    _append(facts, "requests", _request(1, 21.0, gateway="plain"))


def _stay_away(facts: Facts) -> None:
    facts.paths = [PathMove(1, 1, [1, 2], 1, 1.0), PathMove(1, 1, [1, 2], 2, 12.0)]
    _append(facts, "events", Event(30.0, "gateways in order"))


def _limit(facts: Facts, most: int) -> None:
    facts.settings = type(facts.settings)(max_attempts=most)


def _reported(
    facts: Facts,
    *,
    reported: Sequence[ReportedReceipt] = (REPORTED,),
    stored: Sequence[StoredReceipt] = (STORED,),
    **given: Any,
) -> None:
    """The gateway reports that the message was delivered; `given` is how the message ends."""
    facts.gateways = [GatewayFact(1, "default", "gonets", receipts=True)]
    facts.reported, facts.stored = reported, stored
    _put(facts, "messages", 4, delivery="awaiting")
    last = {"committed_at": 21.0, "began_at": 21.0, "delivery": "delivered", **given}
    _append(facts, "messages", facts.messages[4]._replace(**last))
    _append(facts, "events", Event(30.0, "receipts overdue", "", "end"))


def _report_twice(facts: Facts) -> None:
    _reported(facts, reported=(REPORTED, REPORTED._replace(sequence=2)))


def _leave_in_queue(facts: Facts) -> None:
    _reported(facts, stored=(STORED._replace(table="receipt_queue", message_id=None),))


def _leave_in_doubt(facts: Facts) -> None:
    _reported(facts)
    facts.messages = [*facts.messages[:-1], facts.messages[-1]._replace(status="unknown", delivery=None)]


def _settle_and_claim(facts: Facts) -> None:
    _reported(facts)
    sent = _message(19.0, "sent", 1, in_doubt=True, reason_code="receipt_came", by="gonets maintenance")
    _insert(facts, "messages", 3, sent)


def _await_again(facts: Facts) -> None:
    _reported(facts)
    _append(facts, "messages", facts.messages[-1]._replace(committed_at=22.0, delivery="awaiting"))


def _give_up_waiting(facts: Facts) -> None:
    _reported(facts, reported=(), stored=(), delivery="no_receipt")


def test_a_claim_that_is_given_back_takes_the_text_of_a_message_that_never_had_one() -> None:
    def violations(*texts: int | None) -> int:
        statuses = (("sending", 1), ("failed", 1), ("pending", 1), ("sending", 2), ("pending", 1))
        moves = [
            _message(float(place), status, attempts, text_revision=text, reason_code="missing_value")
            for place, ((status, attempts), text) in enumerate(zip(statuses, texts, strict=True))
        ]
        history = MessageHistory(1, 1, moves, (), (), {}, ())
        return len(list(keeps_its_text(history, cast(Ledgers, None))))

    assert violations(1, 1, None, 2, None) == 0
    assert violations(1, 1, 1, 1, None) == 1
