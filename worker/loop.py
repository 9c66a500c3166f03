"""The loop: record what was answered, claim what is due, hand it to the senders."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from shared.domain.statuses import Outcome
from shared.domain.worker_status import GatewayHealth
from worker.answers import SubmitResult
from worker.database import TROUBLE, Database
from worker.delivery import AttemptResult, ClaimedMessage
from worker.gateway_token import Token
from worker.lanes.account_refusals import Refusals
from worker.lanes.circuit_breaker import CircuitBreaker, State
from worker.lanes.message_sender import MessageSender
from worker.lanes.poison_messages import PoisonMessages
from worker.maintenance.thread import MaintenanceThread
from worker.queue import Queue
from worker.telemetry.attempt_log import AttemptLog
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter, WorkerStatus

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.05
SHORT_LINGER_SECONDS = 0.005
"""How long answers may gather, so that they are recorded together: a transaction costs PostgreSQL as much as a hundred
messages in it. The long one while there is plenty in hand that waits to be sent, the short one after a wait."""

LINGER_STEP_SECONDS = 0.01
"""How often it is looked whether there is plenty still."""

STOPPED = {
    GatewayHealth.OPEN: (logging.WARNING, "the gateway is in trouble: nothing is sent for a while"),
    GatewayHealth.REFUSED: (
        logging.ERROR,
        "the gateway refuses us: check GATEWAY_TOKEN and GATEWAY_URL; nothing else is sent",
    ),
    GatewayHealth.NO_CREDIT: (
        logging.ERROR,
        "the gateway says that the account has no credit: nothing else is sent until it has",
    ),
    GatewayHealth.NOT_UNDERSTOOD: (
        logging.ERROR,
        "the gateway's answers are not understood: check GATEWAY_URL and what answers there; nothing else is sent",
    ),
}
"""What the log says when the worker stops sending, by what it stops for."""

PATIENCE_SECONDS = 0.25
"""How long the loop waits for an answer while there is more in hand than may be on its way."""


class WorkerLoop:
    """One worker. `run` returns when `stop` is set and all is put away."""

    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        keeper: MaintenanceThread,
        senders: MessageSender,
        breaker: CircuitBreaker,
        reporter: StatusReporter,
        metrics: Metrics,
        token: Token,
        stop: threading.Event,
        wake: threading.Event,
        poll_seconds: float,
        stop_seconds: float,
        heartbeat: Callable[[], None],
    ) -> None:
        """`wake` ends the wait between ticks: whoever sets `stop` sets it too, and so do senders and keeper."""
        self._database = database
        self._queue = queue
        self._keeper = keeper
        self._senders = senders
        self._suspects = PoisonMessages(queue, senders)
        self._breaker = breaker
        self._reporter = reporter
        self._metrics = metrics
        metrics.standing = self._standing
        self._token = token
        self._stop = stop
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._heartbeat = heartbeat
        self._attempt_log = AttemptLog()
        self._refusals = Refusals()

    def run(self) -> None:
        """Ticks until stopped; after a tick with nothing to do, waits for an answer, a signal or the next poll."""
        self._keeper.start()
        try:
            while not self._stop.is_set():
                if not self.tick():
                    self._wait()
                self._batch_delay()
            self._shutdown()
        except TROUBLE:
            if not self._stop.is_set():
                raise
            log.warning("stopped while the database was away: other workers take over when our leases run out")
        finally:
            self._database.close()
            self._keeper.join(self._stop_seconds)

    def tick(self) -> bool:
        """One round. Returns whether it did anything, so that the next should follow at once."""
        self._heartbeat()
        self._metrics.tick()
        self._keeper.check()
        moved = self._record_answers()
        self._look_at_mailings()
        self._give_back_surplus()
        moved |= self._claim_and_send()
        if moved:
            self._keeper.moved()
        self._reporter.report(self._standing())
        return moved

    def _record_answers(self) -> bool:
        full = self._senders.in_hand >= self._breaker.limit
        attempted, unstarted = self._senders.collect()
        self._give_back(unstarted)
        self._put_in_context(attempted)
        self._queue.record(attempted)
        self._reporter.count([one.answer for one in attempted])
        self._metrics.count(attempted)
        self._attempt_log.tell(attempted)
        now = time.monotonic()
        for one in attempted:
            self._learn(one.answer, now)
        self._breaker.end_batch(now, full=full)
        self._senders.limit = self._breaker.limit
        if self._breaker.state is not State.CLOSED:
            # Not before: answers that it has not learned of yet may be what stops the senders.
            self._senders.allow_probe()
        return bool(attempted or unstarted)

    def _put_in_context(self, attempted: list[AttemptResult]) -> None:
        refused = [one.delivery for one in attempted if one.answer.outcome is Outcome.UNAUTHORIZED]
        self._refusals.put_in_context(attempted, self._queue.earlier_refusals(refused) if refused else {})

    def _learn(self, answer: SubmitResult, now: float) -> None:
        before, health = self._breaker.state, self._breaker.health
        self._breaker.learn(answer, now)
        if self._breaker.state is before:
            return
        said = {"http_status": answer.http_status, "detail": answer.detail}
        if self._breaker.state is State.CLOSED:
            if health in STOPPED:
                log.info("the gateway answers again")
            return
        level, sentence = STOPPED[self._breaker.health]
        log.log(level, sentence, extra=said)
        self._give_back(self._senders.recall() + self._suspects.recall())

    def _give_back(self, unstarted: list[ClaimedMessage]) -> None:
        if unstarted:
            self._queue.release(unstarted)
            self._breaker.cancel_probe()

    def _look_at_mailings(self) -> None:
        """What belongs to mailings that are paused, cancelled or over by now, and has not begun, is given back."""
        if self._queue.look_at_mailings():
            self._give_back(self._senders.recall_forbidden())

    def _give_back_surplus(self) -> None:
        """The gateway has become on_throttled: what would wait too long now is given back, the last first."""
        allowed = self._breaker.allowed()
        if self._senders.in_hand > 2 * allowed:
            self._give_back(self._senders.recall(self._senders.in_hand - allowed))

    def _claim_and_send(self) -> bool:
        if self._suspects.under_way:
            return self._suspects.go_on()
        now = time.monotonic()
        in_hand = self._senders.in_hand
        trusted = self._breaker.state is State.CLOSED
        if trusted and self._suspects.claim(idle=False):
            return True
        room = self._breaker.room(now, in_hand)
        claimable = room and now >= self._queue.claimable_at
        deliveries = self._queue.claim(room, alone=not in_hand, pick=self._breaker.pick) if claimable else []
        if not deliveries:
            return trusted and not in_hand and self._suspects.claim(idle=True)
        if self._breaker.unauthorized and self._token.refresh():
            log.info("the gateway's token has been read again, and is another one")
        self._breaker.probe()
        self._look_at_mailings()  # it may be time to, after a claim that took long
        self._senders.submit(deliveries)
        return True

    def _wait(self) -> None:
        """Until there is an answer or a signal, at the longest until the next poll, and no longer than is known."""
        now = time.monotonic()
        timeout = min(self._poll_seconds, self._reporter.seconds_until_due(), self._queue.seconds_until_look())
        if pause := self._breaker.seconds_until_probe(now):
            timeout = min(timeout, pause)
        if (claimable_at := self._queue.claimable_at) > now:
            timeout = min(timeout, claimable_at - now)
        if self._senders.in_hand > self._breaker.limit:
            timeout = min(timeout, PATIENCE_SECONDS)  # should no answer come, what waits is given back
        if self._wake.wait(timeout):
            self._wake.clear()
            if self._senders.in_hand:
                self._stop.wait(SHORT_LINGER_SECONDS)

    def _batch_delay(self) -> None:
        """Lets answers gather while at least half of what may wait to be sent does so.

        Longer beside a launch, which needs the database too, and makes work for every worker.
        """
        if self._keeper.launching:
            self._stop.wait(LINGER_SECONDS)
        enough = (self._breaker.allowed() - self._breaker.limit) / 2
        until = time.monotonic() + LINGER_SECONDS
        while self._senders.waiting > enough and time.monotonic() < until:
            if self._stop.wait(LINGER_STEP_SECONDS):
                break

    def _shutdown(self) -> None:
        """Starts nothing more, finishes what is in flight, gives back the rest."""
        log.info("stopping", extra={"in_hand": self._senders.in_hand})
        # Before anything is waited for: what in flight outlasts our patience must not take the rest down with it.
        self._give_back(self._senders.stop() + self._suspects.recall())
        deadline = time.monotonic() + self._stop_seconds
        while self._senders.in_hand and time.monotonic() < deadline:
            self._record_answers()
            self._wake.wait(0.05)
            self._wake.clear()
        self._record_answers()
        if self._senders.in_hand:
            log.warning(
                "stopped with requests in flight: their leases run out", extra={"messages": self._senders.in_hand}
            )
        self._reporter.report(self._standing(), stopped=True)
        log.info("stopped")

    def _standing(self) -> WorkerStatus:
        return WorkerStatus(self._breaker.health, self._senders.in_hand, self._breaker.limit)
