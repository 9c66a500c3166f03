"""The loop: record what was answered, keep mailings moving, claim what is due, hand it to the senders."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from worker.answers import Answer
from worker.breaker import Breaker, State
from worker.database import TROUBLE, Database
from worker.delivery import Delivery
from worker.queue import Queue
from worker.report import Reporter, Standing
from worker.senders import Senders
from worker.token import Token
from worker.upkeep import Upkeep

log = logging.getLogger(__name__)

UPKEEP_SECONDS = 1.0
"""Between rounds of upkeep while there is sending to do. An idle worker does one a poll."""

TAKE_BACK_LIMIT = 1000
"""Lost claims taken back in one transaction."""

LINGER_SECONDS = 0.005
"""How long answers may gather, so that they are recorded together and not one a transaction."""


class Daemon:
    """One worker. `run` returns when `stop` is set and all is put away."""

    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        upkeep: Upkeep,
        senders: Senders,
        breaker: Breaker,
        reporter: Reporter,
        token: Token,
        stop: threading.Event,
        wake: threading.Event,
        poll_seconds: float,
        stop_seconds: float,
        heartbeat: Callable[[], None],
    ) -> None:
        """`wake` ends the wait between ticks: whoever sets `stop` sets it too, and so do the senders."""
        self._database = database
        self._queue = queue
        self._upkeep = upkeep
        self._senders = senders
        self._breaker = breaker
        self._reporter = reporter
        self._token = token
        self._stop = stop
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._heartbeat = heartbeat
        self._upkeep_at = 0.0
        self._moved_since_upkeep = False

    def run(self) -> None:
        """Ticks until stopped; after a tick with nothing to do, waits for an answer, a signal or the next poll."""
        try:
            while not self._stop.is_set():
                if not self.tick():
                    self._wait()
            self._wind_down()
        except TROUBLE:
            if not self._stop.is_set():
                raise
            log.warning("stopped while the database was away: other workers take over when our leases run out")
        finally:
            self._database.close()

    def tick(self) -> bool:
        """One round. Returns whether it did anything, so that the next should follow at once."""
        self._heartbeat()
        recorded = self._record_answers()
        kept = self._keep_up()
        claimed = self._claim_and_send()
        self._reporter.report(self._standing())
        self._moved_since_upkeep |= recorded or claimed
        return recorded or kept or claimed

    def _record_answers(self) -> bool:
        attempted, unstarted = self._senders.collect()
        self._give_back(unstarted)
        self._queue.record(attempted)
        self._reporter.count([one.answer for one in attempted])
        for one in attempted:
            self._learn(one.answer)
        return bool(attempted or unstarted)

    def _learn(self, answer: Answer) -> None:
        before = self._breaker.state
        self._breaker.learn(answer, time.monotonic())
        if self._breaker.state is before:
            return
        said = {"http_status": answer.http_status, "detail": answer.detail}
        if self._breaker.state is State.CLOSED:
            log.info("the gateway answers again")
        elif self._breaker.unauthorized:
            log.error("the gateway refuses us: check GATEWAY_TOKEN and GATEWAY_URL; nothing else is sent", extra=said)
        else:
            log.warning("the gateway is in trouble: nothing is sent for a while", extra=said)
        if self._breaker.state is State.OPEN:
            self._give_back(self._senders.recall())

    def _give_back(self, unstarted: list[Delivery]) -> None:
        if unstarted:
            self._queue.release(unstarted)
            self._breaker.unprobed()

    def _keep_up(self) -> bool:
        if time.monotonic() < self._upkeep_at:
            return False
        self._moved_since_upkeep = False
        lost = self._queue.take_back(TAKE_BACK_LIMIT)
        more = self._upkeep.run() or lost == TAKE_BACK_LIMIT
        self._upkeep_at = time.monotonic() + (0.0 if more else UPKEEP_SECONDS)
        return more or lost > 0

    def _claim_and_send(self) -> bool:
        now = time.monotonic()
        in_hand = self._senders.in_hand
        # A message that seems to kill its workers is sent alone: what is in hand is finished first.
        room = 0 if in_hand and self._queue.suspects_wait else self._breaker.room(now, in_hand)
        deliveries = self._queue.claim(room, alone=not in_hand) if room and now >= self._queue.claimable_at else []
        if not deliveries:
            return False
        if self._breaker.unauthorized and self._token.refresh():
            log.info("the gateway's token has been read again, and is another one")
        self._breaker.probe()
        self._senders.submit(deliveries)
        return True

    def _wait(self) -> None:
        """Until there is an answer or a signal, at the longest until the next poll, and no longer than is known."""
        now = time.monotonic()
        timeout = min(self._poll_seconds, self._reporter.seconds_until_due())
        if pause := self._breaker.seconds_until_probe(now):
            timeout = min(timeout, pause)
        if (claimable_at := self._queue.claimable_at) > now:
            timeout = min(timeout, claimable_at - now)
        if self._moved_since_upkeep:
            # The last messages of a mailing have moved: it need not wait for the next poll to be finished.
            timeout = min(timeout, max(0.0, self._upkeep_at - now))
        if self._wake.wait(timeout):
            self._wake.clear()
            if self._senders.in_hand:
                self._stop.wait(LINGER_SECONDS)

    def _wind_down(self) -> None:
        """Starts nothing more, finishes what is in flight, gives back the rest."""
        log.info("stopping", extra={"in_hand": self._senders.in_hand})
        # Before anything is waited for: what in flight outlasts our patience must not take the rest down with it.
        self._give_back(self._senders.stop())
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

    def _standing(self) -> Standing:
        return Standing(self._breaker.health, self._senders.in_hand, self._breaker.limit)
