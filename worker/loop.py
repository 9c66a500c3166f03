"""The loop: record results, claim what is due, submit it, in each lane."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from worker.claimed_message import AttemptResult
from worker.database import TRANSIENT_ERRORS, Database
from worker.lanes.lane_set import LaneSet
from worker.maintenance.long_duty_thread import LongDutyThread
from worker.maintenance.thread import MaintenanceThread
from worker.polling.thread import PollingThread
from worker.telemetry.attempt_log import AttemptLog
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter

log = logging.getLogger(__name__)

BATCH_DELAY_SECONDS = 0.05
SHORT_BATCH_DELAY_SECONDS = 0.005
"""Seconds for which results are collected into one batch: a transaction costs PostgreSQL as much as a hundred messages
in it. The long delay applies while many claimed messages wait to be sent; the short one after a wait, if there will be
more results."""

LAUNCH_DELAY_SECONDS = 0.1
"""Seconds for which each round waits while a mailing is being launched: the launch needs the database too, and creates
work for every worker."""

POLL_STOP_SECONDS = 1.0
"""Seconds for which a stopping worker waits for a poll: what it would bring is asked for again."""

BATCH_STEP_SECONDS = 0.01
"""Seconds between checks whether many of them still wait."""


class WorkerLoop:
    """One worker. `run` returns once `stop` is set and nothing is in flight, or `stop_seconds` have passed."""

    def __init__(
        self,
        *,
        database: Database,
        lanes: LaneSet,
        maintenance: MaintenanceThread,
        reporter: StatusReporter,
        metrics: Metrics,
        stop: threading.Event,
        wake: threading.Event,
        poll_seconds: float,
        stop_seconds: float,
        heartbeat: Callable[[], None],
        polling: PollingThread | None = None,
        long_duties: Sequence[LongDutyThread] = (),
    ) -> None:
        """`wake` ends the wait between ticks: it is set along with `stop`, by senders, and by maintenance."""
        self._database = database
        self._lanes = lanes
        self._maintenance = maintenance
        self._polling = polling
        self._long_duties = long_duties
        self._reporter = reporter
        self._metrics = metrics
        metrics.statuses = lambda: lanes.statuses
        self._stop = stop
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._heartbeat = heartbeat
        self._attempt_log = AttemptLog()

    def run(self) -> None:
        """Ticks until stopped; after a tick with nothing to do, waits for a result, a signal or the next poll."""
        try:
            self._heartbeat()
            self._lanes.refresh()  # maintenance has to know of each gateway whether it can be asked
            self._maintenance.start()
            if self._polling is not None:
                self._polling.start()
            for duty in self._long_duties:
                duty.start()
            while not self._stop.is_set():
                if not self.tick():
                    self._wait()
                self._batch_delay()
            self._shutdown()
        except TRANSIENT_ERRORS:
            if not self._stop.is_set():
                raise
            # Other workers take over when the leases expire.
            log.warning("worker.stopped_without_database", extra={"in_flight": self._in_flight})
        finally:
            self._stop.set()  # after an error too: the other threads end once it is set
            self._database.close()
            self._maintenance.join(self._stop_seconds)
            if self._polling is not None:
                self._polling.join(min(self._stop_seconds, POLL_STOP_SECONDS))

    def tick(self) -> bool:
        """One round. Returns whether it did anything, so that the next should follow at once."""
        self._heartbeat()
        self._metrics.tick()
        self._maintenance.raise_if_failed()
        moved = self._record_results()
        self._lanes.refresh()
        for lane in self._lanes:
            lane.release_forbidden()
            lane.release_surplus()
        for lane in self._lanes.open:
            # A poison message is sent alone: nothing else is claimed meanwhile.
            if lane.sends_alone or not any(other.sends_alone for other in self._lanes.open):
                moved |= lane.claim_and_submit()
        if moved:
            self._maintenance.notify_progress()
        self._reporter.report(self._lanes.statuses)
        return moved

    @property
    def _in_flight(self) -> int:
        return self._lanes.in_flight

    def _record_results(self) -> bool:
        recorded = [lane.record_results(self._observe) for lane in self._lanes]
        return any(recorded)

    def _observe(self, gateway: str, attempted: Sequence[AttemptResult]) -> None:
        self._reporter.count(gateway, [attempt.submitted for attempt in attempted])
        self._metrics.count(gateway, attempted)
        self._attempt_log.write(gateway, attempted)

    def _wait(self) -> None:
        """Waits for a result, a signal, the next poll, or the next due time of a lane."""
        now = time.monotonic()
        due = (lane.seconds_until_due(now) for lane in self._lanes)
        if self._wake.wait(min(self._poll_seconds, self._reporter.seconds_until_due(), *due)):
            self._wake.clear()
            if self._lanes.has_unanswered:
                self._stop.wait(SHORT_BATCH_DELAY_SECONDS)

    def _batch_delay(self) -> None:
        """Waits for more results while those of a lane may wait, and during a launch."""
        if self._maintenance.launching:
            self._stop.wait(LAUNCH_DELAY_SECONDS)
        until = time.monotonic() + BATCH_DELAY_SECONDS
        while any(lane.results_may_wait for lane in self._lanes) and time.monotonic() < until:
            if self._stop.wait(BATCH_STEP_SECONDS):
                break

    def _shutdown(self) -> None:
        """Starts no more requests, finishes those in flight, releases the rest."""
        log.info("worker.stopping", extra={"in_flight": self._in_flight})
        # First of all: the requests in flight may take longer than the wait, and the other messages must be released.
        self._lanes.stop()
        deadline = time.monotonic() + self._stop_seconds
        while self._in_flight and time.monotonic() < deadline:
            self._record_results()
            self._wake.wait(0.05)
            self._wake.clear()
        self._record_results()
        if self._in_flight:
            log.warning("worker.stopped_in_flight", extra={"messages": self._in_flight})  # until their leases expire
        self._reporter.report(self._lanes.statuses, stopped=True)
        log.info("worker.stopped")
