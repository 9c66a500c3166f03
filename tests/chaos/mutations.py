"""Mutations of a worker: each a small fault in its code, of the kind that people make.

They edit the worker's own code; an edit that no longer fits raises AssertionError.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import ModuleType
from typing import Any

import psycopg2

from shared.domain.results import Result
from shared.domain.statuses import OnUnknown
from shared.gateways import gonets, http_statuses
from shared.gateways.base import SubmitResult
from shared.sql import audiences, claims, mailings, messages
from shared.sql import queue as queue_sql
from shared.sql.templates import READ_VALUES
from worker import attempt_decision, attempt_recorder, loop, message_bodies, queue
from worker.attempt_decision import Retries, Transition
from worker.claim_rows import ClaimedRow
from worker.claimed_message import ClaimedMessage
from worker.database import Database
from worker.http.connection import HttpConnection
from worker.lanes import fleet_rate_limiter, gateway_client, message_sender
from worker.lanes.circuit_breaker import Pick
from worker.lanes.fleet_rate_limiter import ANY_TIME, FleetRateLimiter
from worker.lanes.http_sender import HttpSender
from worker.lanes.send_permits import ALWAYS
from worker.maintenance import lease_reclaimer
from worker.open_claims import OpenClaims

Work = Callable[..., Any]


def unmodified() -> None:
    """The worker as it is."""


def lease_check_dropped() -> None:
    """Whoever has an answer moves the message on, whether it still holds it or not."""
    edit(messages, "RECORD", "(message.status = 'sending' AND message.attempts = attempted.number)", "TRUE")
    held = "CASE message.status WHEN 'sending' THEN message.attempts END ="
    for name in ("RECORD_ACCEPTED", "RECORD_ACCEPTED_RANGE"):
        edit(messages, name, held, "0 <")


def claim_committed_late() -> None:
    """Commits are put together, one in 50 ms: the requests of a claim leave before it is committed."""

    def once(self: Database, work: Work) -> Any:
        if self._connection is None:
            self._connection = psycopg2.connect(self._dsn, **self._options)
            committed_at[0] = 0.0
        with self._connection.cursor() as cursor:
            result = work(cursor)
        if time.monotonic() - committed_at[0] > 0.05:
            self._connection.commit()
            committed_at[0] = time.monotonic()
        return result

    committed_at = [0.0]
    Database._once = once  # type: ignore[method-assign]


def new_id_on_repeat() -> None:
    """A repeat is sent under an id of its own."""
    prepare = gateway_client.GatewayClient.prepare
    sent: set[int] = set()

    def prepare_anew(
        self: gateway_client.GatewayClient, message: ClaimedMessage
    ) -> gateway_client.Prepared | SubmitResult:
        again = message.message_id in sent
        sent.add(message.message_id)
        return prepare(self, replace(message, message_id=message.message_id + 1_000_000 * again))

    gateway_client.GatewayClient.prepare = prepare_anew  # type: ignore[method-assign,assignment]


def body_changed_on_repeat() -> None:
    """A repeat carries the mailing's newest text."""
    edit_claim("coalesce(\n        text_revision, ", "coalesce(\n        NULL, ")


def values_not_fixed() -> None:
    """A repeat of a template carries what its client is by then."""
    for name in ("CLAIM_WITH_VALUES", "CLAIM_RANGE_WITH_VALUES"):
        edit(claims, name, "coalesce(text_values, ", "coalesce(NULL, ")


def filled_in_anew() -> None:
    """The values are fixed, and not used: each attempt reads those of the client."""
    bodies_of = message_bodies.bodies_of

    def bodies_of_clients(rows: list[ClaimedRow], texts: Any) -> Any:
        with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            given = {"ids": [row.client_id for row in rows], "fields": ["name"], "opt_out_link": None}
            cursor.execute(READ_VALUES, given)
            values = dict(cursor.fetchall())
        filled = [row._replace(text_values=row.text_values and values.get(row.client_id)) for row in rows]
        return bodies_of(filled, texts)

    vars(queue)["bodies_of"] = bodies_of_clients


def values_kept_when_given_back() -> None:
    """A message that was given back keeps the values of its client, as if it had been attempted."""
    edit(claims, "RELEASE", "THEN NULL ELSE text_values END", "THEN text_values ELSE text_values END")


def window_forgotten() -> None:
    """Messages are claimed and sent whether the window is open or not."""
    _edit_take("AND now() < end_datetime", "")
    _edit_take("date_part('epoch', end_datetime - now())", "3600")


def window_forgotten_by_senders() -> None:
    """What has been claimed is sent, however long it had to wait for that."""
    _claim_with(start_by=float("inf"), permit=ALWAYS)


def pause_ignored() -> None:
    """A paused mailing goes on."""
    _edit_take("status = 'running'", "status IN ('running', 'paused')")


def cancel_ignored() -> None:
    """So does a cancelled one."""
    _edit_take("status = 'running'", "status IN ('running', 'cancelled')")
    edit(queue_sql, "TAKE_ENDED", "status = 'cancelled' OR end_datetime", "end_datetime")


def changes_ignored_in_flight() -> None:
    """What has been claimed is sent, whatever has become of its mailing since."""
    _claim_with(permit=ALWAYS)


def claim_without_row_lock() -> None:
    """Two workers can take the same batch, and nobody looks whether its messages are still pending."""
    _edit_take("FOR UPDATE SKIP LOCKED", "")
    edit_claim("AND status = 'pending'", "")


def attempt_not_counted() -> None:
    """A claim does not count its attempt."""
    edit_claim("attempts = attempts + 1", "attempts = greatest(attempts, 1)")


def lost_claim_forgotten() -> None:
    """A message whose lease ran out is simply tried again: nobody says that its request may have landed."""
    lease_reclaimer.LeaseReclaimer.run = _take_back_silently  # type: ignore[method-assign]


def taken_back_too_early() -> None:
    """A lease is taken to have run out while it lasts."""
    edit(claims, "FIND_EXPIRED", "lease_until < now()", "claimed_at < now() - interval '0.1 s'")


def late_acceptance_ignored() -> None:
    """An acceptance that comes when the lease has run out is not recorded as sent."""
    edit(messages, "RECORD", "OR (attempted.status = 'sent' AND message.status <> 'sent')", "")


def sent_without_answer() -> None:
    """A request that got no answer is taken for sent: it will have come through."""
    _read_as(Result.AMBIGUOUS, Result.ACCEPTED)


def refusal_taken_for_success() -> None:
    """A 200 is a 200, whatever its body says."""
    read = gonets._read_success

    def read_status(response: Any, payload: Any, secrets: Any) -> SubmitResult:
        submitted = read(response, payload, secrets)
        return replace(submitted, result=Result.ACCEPTED) if submitted.result is Result.RETRIABLE else submitted

    gonets._read_success = read_status


def ambiguity_taken_for_refusal() -> None:
    """A request that got no answer is taken for one that was refused for now."""
    _read_as(Result.AMBIGUOUS, Result.RETRIABLE)


def doubt_forgotten() -> None:
    """An ambiguous attempt is written down, and does not mark its message."""
    decide = attempt_decision.decide

    def decide_boldly(*given: Any) -> Transition:
        return replace(decide(*given), in_doubt=False)

    vars(attempt_recorder)["decide"] = decide_boldly


def hold_forgotten() -> None:
    """What was to be held when in doubt is sent again."""
    _claim_with(on_unknown=OnUnknown.RESEND)


def repeated_in_the_transport() -> None:
    """The HTTP client tries again by itself."""
    finish = HttpSender._finish

    def finish_or_repeat(self: HttpSender, sent: HttpConnection) -> None:
        active = self._active[sent]
        if sent.response.status is None and active.message not in repeated:
            repeated.append(active.message)
            del self._active[sent]
            self._drop(sent)
            self._connecting.begin(active, active.left_at)
            return
        repeated[:] = [message for message in repeated if message is not active.message]
        finish(self, sent)

    repeated: list[ClaimedMessage] = []
    HttpSender._finish = finish_or_repeat  # type: ignore[method-assign,assignment]


def attempts_unlimited() -> None:
    """No number of attempts is too many."""
    decide = attempt_decision.decide

    def decide_on(one: ClaimedMessage, answer: SubmitResult, retries: Retries, random: Random) -> Transition:
        return decide(one, answer, replace(retries, max_attempts=1000), random)

    vars(attempt_recorder)["decide"] = decide_on


def sent_before_due() -> None:
    """Nobody waits between two attempts."""
    _edit_take("due_at <= now()", "due_at < 'infinity'")
    edit_claim("due_at <= now()", "due_at < 'infinity'")


def given_back_in_flight() -> None:
    """A worker that stops gives back everything, also what is on its way."""
    submit, wind_down = message_sender.MessageSender.submit, loop.WorkerLoop._shutdown
    submitted: list[ClaimedMessage] = []

    def submit_and_remember(self: message_sender.MessageSender, deliveries: list[ClaimedMessage]) -> None:
        submitted.extend(deliveries)
        submit(self, deliveries)

    def release_all(self: loop.WorkerLoop) -> None:
        self._lanes.open[0]._queue.release(submitted)
        wind_down(self)

    message_sender.MessageSender.submit = submit_and_remember  # type: ignore[method-assign,assignment]
    loop.WorkerLoop._shutdown = release_all  # type: ignore[method-assign]


def text_kept_when_given_back() -> None:
    """A message that was never attempted after all keeps the text of that day."""
    edit(claims, "RELEASE", "THEN NULL ELSE text_revision END", "THEN text_revision ELSE text_revision END")


def phone_kept_when_given_back() -> None:
    """And the phone number of that day."""
    edit(claims, "RELEASE", "coalesce(client.phone_number, message.phone_number)", "message.phone_number")


def removed_client_written_to() -> None:
    """A client's removal ends the messages that wait, and forgets those that are on their way."""
    edit(messages, "CANCEL_WITHOUT_CLIENT", "status = 'pending'", "FALSE")


def lost_claim_kept() -> None:
    """Nobody takes a message back whose worker has died."""
    lease_reclaimer.LeaseReclaimer.run = lambda self: 0  # type: ignore[method-assign]


def lease_forgotten_by_senders() -> None:
    """What has been claimed is sent, however little of its lease is left."""
    submit = HttpSender.submit

    def submit_patiently(self: HttpSender, deliveries: list[ClaimedMessage]) -> None:
        submit(self, [replace(one, start_by=float("inf"), permit=ALWAYS) for one in deliveries])

    HttpSender.submit = submit_patiently  # type: ignore[method-assign,assignment]


def sent_twice_at_once() -> None:
    """The gateway is given the same message twice at once."""
    submit = HttpSender.submit

    def submit_twice(self: HttpSender, deliveries: list[ClaimedMessage]) -> None:
        submit(self, [one for one in deliveries for _ in range(2)])

    HttpSender.submit = submit_twice  # type: ignore[method-assign,assignment]


def rate_limit_ignored() -> None:
    """GATEWAY_RATE is set, and no slots are taken in the database."""
    FleetRateLimiter.free_slots = lambda self, cursor: 1000  # type: ignore[method-assign]
    FleetRateLimiter.take = lambda self, cursor, slots: [ANY_TIME] * slots  # type: ignore[method-assign]


def slots_given_twice() -> None:
    """Slots are reckoned from now on, whatever has been given out before."""
    edit(fleet_rate_limiter, "READ_NEXT_SLOT", "greatest(next_slot_at, now)", "now")


def refusals_not_kept() -> None:
    """Attempts that were refused are not worth a row."""
    before, insert, after = messages.RECORD.rpartition("FROM attempted\n")
    assert insert, "RECORD has changed: this mutant needs a new edit"
    messages.RECORD = f"{before}FROM attempted WHERE result <> 'retriable'\n{after}"


def success_taken_for_refusal() -> None:
    """A success is read as a refusal."""
    _read_as(Result.ACCEPTED, Result.REFUSED)


def chunk_launched_twice() -> None:
    """A launch that is cut short begins its chunk again, and nothing guards against that."""
    _edit_launch("SET last_client_id = read.last_id", "SET last_client_id = last_client_id")
    _edit_launch("read.last_id >= %(max_client_id)s", "audience > 0")
    _run_sql("DROP INDEX IF EXISTS message_0_client_id_mailing_id_key")


def excluded_segment_forgotten() -> None:
    """Whom a mailing leaves out is not left out."""
    audiences.is_kept = lambda *_: ([], {})


def listed_chunk_launched_twice() -> None:
    """A launch of a listed audience that is cut short begins its chunk again, and nothing guards against that."""
    edit(
        audiences,
        "LAUNCH_LISTED_CHUNK",
        "DELETE FROM mailing_audience",
        "UPDATE mailing_audience SET mailing_id = mailing_id",
    )
    edit(
        audiences,
        "LAUNCH_LISTED_CHUNK",
        "coalesce(read.last_id, last_client_id)",
        "last_client_id",
    )
    edit(audiences, "LAUNCH_LISTED_CHUNK", "WHEN NOT EXISTS (", "WHEN audience > 0 OR NOT EXISTS (")
    _run_sql("DROP INDEX IF EXISTS message_0_client_id_mailing_id_key")


def client_skipped() -> None:
    """A launch steps over the first client of each chunk but the first."""
    _edit_launch("ELSE max(id) END", "ELSE max(id) + 1 END")


def newcomers_launched() -> None:
    """Who joins the directory while a launch runs gets a message too."""
    mailings.LAUNCH_CHUNK = mailings.LAUNCH_CHUNK.replace("AND id <= %(max_client_id)s", "")
    mailings.LAUNCH_DENSE_CHUNK = mailings.LAUNCH_CHUNK


def audience_counted_twice() -> None:
    """A launch counts the clients that it has looked at, and those it has added."""
    _edit_launch("audience + messages", "audience + 2 * messages")


def settled_too_early() -> None:
    """A mailing is finished when nothing of it is pending: what is on its way will come through."""
    for statement in ("LOCK_ENDED_MAILINGS", "SETTLE_MAILINGS"):
        edit(mailings, statement, "status IN ('pending', 'sending')", "status = 'pending'")


def settled_by_an_old_snapshot() -> None:
    """Whether a mailing is over is decided in the statement that waits for its lock."""
    mailings.LOCK_ENDED_MAILINGS = "SELECT id FROM mailing WHERE launch_started_at IS NOT NULL AND settled_at IS NULL"


def crash_on_garbage() -> None:
    """An answer that is no JSON ends the worker."""

    def read_or_die(body: bytes) -> Any:
        if body.startswith(b"<"):
            os._exit(1)
        return read(body)

    read = http_statuses.json_object
    vars(gonets)["json_object"] = read_or_die


def batch_deleted_unclaimed() -> None:
    """A claim leaves out messages in doubt, although it has taken their batches out of the queue."""
    edit_claim("AND status = 'pending'", "AND status = 'pending' AND NOT in_doubt")


def rest_of_batch_lost() -> None:
    """A batch of which a part is claimed is deleted, instead of shortened."""
    _edit_take("WHERE cardinality(rest) = 0", "")
    _edit_take("WHERE cardinality(rest) > 0", "WHERE FALSE")


def claim_deleted_while_sending() -> None:
    """A claim is deleted with the first messages of it that are recorded."""
    OpenClaims.ended_with = (  # type: ignore[method-assign]
        lambda self, messages: list({message.claim.id for message in messages})
    )


def claims_left() -> None:
    """A claim stays when all of its messages are recorded, until its lease expires."""
    edit(claims, "DELETE_CLAIMS", "WHERE", "WHERE FALSE AND")


def retries_not_queued() -> None:
    """The trigger queues new messages only, and not those that become pending again."""
    edit_function("message_updated", "IF 'pending' = ANY(became) THEN", "IF FALSE THEN")


def skipped_message_forgotten() -> None:
    """An expired claim is deleted, although a message of it was skipped since somebody had locked it."""
    end = claims.DELETE_ENDED.index("AND NOT EXISTS")
    claims.DELETE_ENDED = claims.DELETE_ENDED[:end]


def edit(module: ModuleType, name: str, old: str, new: str) -> None:
    """Replaces a part of a statement."""
    before: str = getattr(module, name)
    assert old in before, f"{module.__name__}.{name} has changed: this mutant needs a new edit"
    setattr(module, name, before.replace(old, new))


def edit_function(name: str, old: str, new: str) -> None:
    """Replaces a part of a function of the database, for the other worker too."""
    _run_sql(
        f"""
        DO $$
        DECLARE
            old text := $body${old}$body$;
            new text := $body${new}$body$;
            definition text;
        BEGIN
            PERFORM pg_advisory_xact_lock(9, 9);  -- the other worker makes the same change
            definition := pg_get_functiondef('{name}'::regproc);
            ASSERT definition LIKE '%' || old || '%' OR definition LIKE '%' || new || '%';
            EXECUTE replace(definition, old, new);
        END $$
        """
    )


def edit_claim(old: str, new: str) -> None:
    """Edits the statements that lease messages, whatever their texts."""
    for name in ("CLAIM", "CLAIM_RANGE", "CLAIM_WITH_VALUES", "CLAIM_RANGE_WITH_VALUES"):
        edit(claims, name, old, new)


def _edit_launch(old: str, new: str) -> None:
    """Edits the statements that launch the audience of a mark."""
    for name in ("LAUNCH_CHUNK", "LAUNCH_DENSE_CHUNK"):
        edit(mailings, name, old, new)


def _edit_take(old: str, new: str) -> None:
    """Edits the statement that every claim but a probe takes messages with."""
    edit(queue_sql, "TAKE_DUE", old, new)
    queue.TAKE[Pick.FIRST] = queue_sql.TAKE_DUE


def _claim_with(**instead: Any) -> None:
    """Messages are claimed with other values of these fields."""
    vars(queue)["ClaimedMessage"] = lambda **given: ClaimedMessage(**{**given, **instead})


def _read_as(result: Result, instead: Result) -> None:
    read = gateway_client.GatewayClient.read

    def misread(self: gateway_client.GatewayClient, *exchange: Any) -> SubmitResult:
        submitted = read(self, *exchange)
        return replace(submitted, result=instead) if submitted.result is result else submitted

    gateway_client.GatewayClient.read = misread  # type: ignore[method-assign,assignment]


def _take_back_silently(self: lease_reclaimer.LeaseReclaimer) -> int:
    def work(cursor: Any) -> int:
        cursor.execute(
            """
            WITH expired AS (DELETE FROM claim WHERE lease_until < now() RETURNING id)
            UPDATE message SET status = 'pending', due_at = now()
            WHERE status = 'sending' AND claim_id IN (SELECT id FROM expired)
            """
        )
        return int(cursor.rowcount)

    return self._database.transaction(work)


def _run_sql(statement: str) -> None:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()
