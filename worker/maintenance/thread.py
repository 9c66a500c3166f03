"""The thread of maintenance, with a connection of its own: launching a million messages does not delay the sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from worker.database import TRANSIENT_ERRORS, Database
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.round import Maintenance
from worker.telemetry.metrics import Metrics

ROUND_SECONDS = 1.0
"""Between rounds while there is sending to do. An idle worker does one a poll."""


class MaintenanceThread:
    """Reclaims expired leases and keeps mailings moving, at every poll, and soon after there was sending."""

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

        `on_work_found` is called when there is more to send.
        """
        self._database = database
        self._lease_reclaimer = lease_reclaimer
        self._maintenance = maintenance
        self._stop = stop
        self._on_work_found = on_work_found
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._progress = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def start(self) -> None:
        """Begins with a round at once."""
        self._thread.start()

    def notify_progress(self) -> None:
        """Messages have moved: the last of a mailing, perhaps, which need not wait for the next poll to be finished."""
        self._progress.set()

    def raise_if_failed(self) -> None:
        """Raises what has ended the thread, if anything has."""
        if self._failure is not None:
            raise self._failure

    @property
    def launching(self) -> bool:
        """Whether a mailing was being launched when it was last looked, by whichever worker."""
        return self._maintenance.launching

    def join(self, seconds: float) -> None:
        """Waits until the round under way is over, once the worker has been told to stop; at most so long."""
        self._progress.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                begun = time.monotonic()
                if self._round():
                    self._on_work_found()
                else:
                    self._progress.wait(self._poll_seconds)
                    self._stop.wait(begun + ROUND_SECONDS - time.monotonic())
        except BaseException as error:  # noqa: BLE001  the loop raises it
            if not (self._stop.is_set() and isinstance(error, TRANSIENT_ERRORS)):
                self._failure = error
                self._on_work_found()
        finally:
            self._database.close()

    def _round(self) -> bool:
        """One round. Returns whether it did something that others should follow up."""
        self._progress.clear()
        expired = self._lease_reclaimer.run()
        self._metrics.count_reclaimed(expired)
        return self._maintenance.run() or expired > 0
