"""A lane: the components that this worker needs to send to one gateway, and the order of their use.

Each gateway has its own sender, circuit breaker with a concurrency limit, rate limit (in its queue) and token, so a
failure of one gateway delays no other.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from shared.domain.results import OF_THE_ACCOUNT, TAKEN
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import SubmitResult
from worker.claimed_message import AttemptResult, ClaimedMessage, MessageGateway
from worker.gateway_token import Token
from worker.lanes.account_refusals import AccountRefusals
from worker.lanes.circuit_breaker import CircuitBreaker, State
from worker.lanes.message_sender import MessageSender
from worker.lanes.poison_messages import PoisonMessages
from worker.queue import Queue
from worker.telemetry.status_reporter import LaneStatus

log = logging.getLogger(__name__)

Observe = Callable[[str, Sequence[AttemptResult]], None]
"""Called with a gateway's name and attempts that have been recorded."""

STALL_WAIT_SECONDS = 0.25
"""Seconds that the loop waits for a result while more messages are in flight than the concurrency limit."""

STOPPED = {
    GatewayHealth.CIRCUIT_OPEN: (logging.WARNING, "circuit_breaker.opened"),
    GatewayHealth.MISCONFIGURED: (logging.ERROR, "gateway.misconfigured"),
    GatewayHealth.NO_CREDIT: (logging.ERROR, "gateway.no_credit"),
    GatewayHealth.NOT_UNDERSTOOD: (logging.ERROR, "gateway.not_understood"),
}
"""The log event when a lane stops sending, by its cause."""


def no_segments(_: str) -> int:
    """Where nothing has a price, segments are not counted."""
    return 0


class Lane:
    """One gateway as one worker uses it. For one thread."""

    def __init__(
        self,
        *,
        gateway: MessageGateway,
        queue: Queue,
        sender: MessageSender,
        breaker: CircuitBreaker,
        token: Token | None = None,
        segments: Callable[[str], int] = no_segments,
        segment_price: Decimal | None = None,
        claimed_elsewhere: Callable[[], int] = int,
    ) -> None:
        """`queue` claims messages for the gateway, under its rate limit; `token` may be replaced while the worker runs.

        `segments` counts those of a text, of which each costs `segment_price`. `claimed_elsewhere`: messages that the
        worker has claimed in other lanes.
        """
        self.gateway = gateway
        self._segments = segments
        self._segment_price = segment_price
        self._assigned = self._assigned_if_healthy = queue.paths
        self._queue = queue
        self._sender = sender
        self._breaker = breaker
        self._token = token
        self._poison = PoisonMessages(queue, sender, claimed_elsewhere)
        self._refusals = AccountRefusals()

    @property
    def in_flight(self) -> int:
        """Messages claimed and not recorded yet."""
        return self._sender.in_flight

    @property
    def has_unanswered(self) -> bool:
        """Whether some of them have no result yet."""
        return self._sender.has_unanswered

    @property
    def sends_alone(self) -> bool:
        """Whether it has claimed a poison message: meanwhile the other lanes claim nothing."""
        return self._poison.active

    def set_paths(self, assigned: Sequence[int], assigned_if_healthy: Sequence[int]) -> None:
        """Sets the paths that are assigned to the gateway, and those that would be if it were healthy."""
        self._assigned, self._assigned_if_healthy = assigned, assigned_if_healthy

    @property
    def status(self) -> LaneStatus:
        """The status for reports and metrics."""
        return LaneStatus(
            *(self.gateway.name, self._breaker.health, self.in_flight, self._breaker.limit),
            withdrawn=dict(self._queue.withdrawn),
        )

    @property
    def results_may_wait(self) -> bool:
        """Whether results may be collected for a while: more than half of the messages that may wait to be submitted do
        so, and no first step of the concurrency limit depends on the results.
        """
        many = (self._breaker.allowed() - self._breaker.limit) / 2
        return self._sender.waiting > many and not self._breaker.is_starting

    def record_results(self, observe: Observe) -> bool:
        """Records attempts, and releases messages that were not attempted. Returns whether there were any."""
        full = self.in_flight >= self._breaker.limit
        attempted, unstarted = self._sender.collect()
        self._release(unstarted)
        self._reinterpret_refusals(attempted)
        if self._segment_price is not None:
            self._price(attempted, self._segment_price)
        self._queue.record(attempted)
        observe(self.gateway.name, attempted)
        now = time.monotonic()
        for attempt in attempted:
            self._record_result(attempt.submitted, now)
        self._breaker.end_batch(now, full=full)
        self._sender.limit = self._breaker.limit
        if self._breaker.state is not State.CLOSED:
            # Not earlier: the sender may have stopped for results that the circuit breaker has recorded only now.
            self._sender.allow_probe()
        return bool(attempted or unstarted)

    def release_forbidden(self) -> None:
        """Releases waiting messages of mailings that are now paused, cancelled or past their end."""
        if self._queue.refresh_permits():
            self._release(self._sender.remove_forbidden())

    def release_surplus(self) -> None:
        """After the gateway has become slower: releases messages that would wait too long, the last ones first."""
        allowed = self._breaker.allowed()
        if self.in_flight > 2 * allowed:
            self._release(self._sender.remove_queued(self.in_flight - allowed))

    def claim_and_submit(self) -> bool:
        """Claims due messages, as many as the gateway may get, and submits them. Returns whether there were any."""
        if self._poison.active:
            return self._poison.submit_claimed()
        now = time.monotonic()
        closed = self._breaker.state is State.CLOSED
        self._queue.paths = self._assigned if closed else self._assigned_if_healthy
        if closed and self._poison.claim(idle=False):
            return True
        capacity = self._breaker.capacity(now, self.in_flight)
        claimable = capacity and now >= self._queue.claimable_at
        messages = self._queue.claim(capacity, idle=not self.in_flight, pick=self._breaker.pick) if claimable else []
        if not messages:
            if claimable and self._queue.may_have_more:
                return True
            return closed and not self.in_flight and self._poison.claim(idle=True)
        if self._breaker.account_refused and self._token is not None and self._token.refresh():
            log.info("gateway.token_reloaded", extra={"gateway": self.gateway.name})
        self._breaker.start_probe()
        self.release_forbidden()  # permits may be due for a refresh after a slow claim
        self._sender.submit(messages)
        return True

    def seconds_until_due(self, now: float) -> float:
        """Seconds until the lane has something to do, unless a result comes; `now` is monotonic."""
        seconds = self._queue.seconds_until_refresh()
        if pause := self._breaker.seconds_until_probe(now):
            seconds = min(seconds, pause)
        if (claimable_at := self._queue.claimable_at) > now:
            seconds = min(seconds, claimable_at - now)
        # If no result comes, waiting messages are released.
        return min(seconds, STALL_WAIT_SECONDS if self.in_flight > self._breaker.limit else math.inf)

    def stop(self) -> None:
        """Starts no more requests, and releases the messages that wait."""
        self._release(self._sender.stop() + self._poison.remove_queued())

    def _price(self, attempted: list[AttemptResult], segment_price: Decimal) -> None:
        """Adds the number of segments and the price to what was accepted, as far as the provider has not said them.

        A message that the provider has already counts as well: the attempt whose answer was lost has no price.
        """
        for attempt in attempted:
            submitted = attempt.submitted
            if submitted.result in TAKEN:
                segments = submitted.segments or self._segments(attempt.message.text)
                price = segments * segment_price if submitted.price is None else submitted.price
                attempt.submitted = replace(submitted, segments=segments, price=price)

    def _reinterpret_refusals(self, attempted: list[AttemptResult]) -> None:
        """Replaces refusals of the account that concern only one message, as earlier results show."""
        refused = [attempt.message for attempt in attempted if attempt.submitted.result in OF_THE_ACCOUNT]
        self._refusals.reinterpret(attempted, self._queue.earlier_refusals(refused) if refused else {})

    def _record_result(self, submitted: SubmitResult, now: float) -> None:
        before = self._breaker.state
        health = None if before is State.CLOSED else self._breaker.health
        self._breaker.record(submitted, now)
        if self._breaker.state is before:
            return
        if self._breaker.state is State.CLOSED:
            if health in STOPPED:
                log.info("circuit_breaker.closed", extra={"gateway": self.gateway.name})
            return
        level, event = STOPPED[self._breaker.health]
        log.log(level, event, extra={"gateway": self.gateway.name, **submitted.log_fields()})
        self._release(self._sender.remove_queued() + self._poison.remove_queued())

    def _release(self, unstarted: list[ClaimedMessage]) -> None:
        if unstarted:
            self._queue.release(unstarted)
            self._breaker.cancel_probe()
