"""The maintenance thread, with its own connection: launching a million messages does not delay sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from worker.database import TRANSIENT_ERRORS, Database
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.telemetry.metrics import Metrics

CHECK_SECONDS = 0.5
"""Seconds between checks whether a receipt or the start of a mailing has come: one short statement."""

ROUND_SECONDS = 1.0
"""Seconds between rounds while messages are being sent. An idle worker does one round per poll."""


class MaintenanceThread:
    """Reclaims expired leases and runs maintenance, at every poll, and soon after messages were sent."""

    def __init__(
        self,
        *,
        database: Database,
        lease_reclaimer: LeaseReclaimer,
        maintenance: Maintenance,
        stop: threading.Event,
        on_work_found: Callable[[], None],
        metrics: Metrics,
        poll_seconds: float,
    ) -> None:
        """No other thread may use `database`, `lease_reclaimer` and `maintenance`.

        `on_work_found` is called when there may be new messages to send, and when the thread fails.
        """
        self._database = database
        self._lease_reclaimer = lease_reclaimer
        self._maintenance = maintenance
        self._stop = stop
        self._on_work_found = on_work_found
        self._metrics = metrics
        metrics.receipts = maintenance.receipts
        metrics.keywords = maintenance.keywords
        self._poll_seconds = poll_seconds
        self._progress = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def start(self) -> None:
        """Starts the thread, which begins with a round at once."""
        self._thread.start()

    def notify_progress(self) -> None:
        """Starts the next round early: the loop has moved messages, and their mailing may be finished."""
        self._progress.set()

    def raise_if_failed(self) -> None:
        """Raises the error that ended the thread, if there is one."""
        if self._failure is not None:
            raise self._failure

    @property
    def launching(self) -> bool:
        """Whether a mailing was being launched at the last check, by any worker."""
        return self._maintenance.launching

    def join(self, seconds: float) -> None:
        """Waits for the end of the current round, at most `seconds`. To be called once `stop` is set."""
        self._progress.set()
        if self._thread.is_alive():  # it may never have been started
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                begun = time.monotonic()
                if self._round():
                    self._on_work_found()
                else:
                    self._wait(begun + ROUND_SECONDS)
        except BaseException as error:  # noqa: BLE001  the loop raises it
            if not (self._stop.is_set() and isinstance(error, TRANSIENT_ERRORS)):
                self._failure = error
                self._on_work_found()
        finally:
            self._database.close()

    def _wait(self, earliest: float) -> None:
        """Waits for the next poll, or for progress, but not for less than until the monotonic time `earliest`.

        Checks meanwhile whether a round should follow at once: a mailing starts, or there is much else to do.
        """
        latest = max(earliest, time.monotonic() + self._poll_seconds)
        while (now := time.monotonic()) < latest and not self._stop.is_set():
            if now < earliest:
                self._stop.wait(min(CHECK_SECONDS, earliest - now))
            elif self._progress.wait(min(CHECK_SECONDS, latest - now)):
                return
            if self._stop.is_set() or self._maintenance.run_due():
                return

    def _round(self) -> bool:
        """One round. Returns whether the loop or the next round should follow at once."""
        self._progress.clear()
        expired = self._lease_reclaimer.run()
        self._metrics.count_reclaimed(expired)
        return self._maintenance.run() or expired > 0
