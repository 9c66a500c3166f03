"""The thread that asks providers for deliveries, with its own connection to the database."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

from worker.database import TRANSIENT_ERRORS
from worker.polling.receipt_poller import ReceiptPoller

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""Seconds between two checks for messages to poll: the first poll is a minute after they were sent."""

ERROR_SECONDS = 60.0
"""Seconds until the next poll after an unexpected error. Sending continues."""


class PollingThread:
    """Polls until stopped."""

    def __init__(self, poller: ReceiptPoller, stop: threading.Event, is_needed: Callable[[], bool]) -> None:
        """No other thread may use `poller`. `is_needed`: whether any gateway is asked; if not, nor is the database."""
        self._poller = poller
        self._stop = stop
        self._is_needed = is_needed
        self._thread = threading.Thread(target=self._run, name="polling", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Waits for the end of the current request, at most `seconds`. To be called once it is stopped."""
        if self._thread.is_alive():  # it may never have been started
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = CHECK_SECONDS
            try:
                if self._is_needed() and self._poller.run():
                    pause = 0.0
            except TRANSIENT_ERRORS:  # the worker stops while the database is unavailable
                break
            except Exception as error:  # noqa: BLE001  polls must not stop sending
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("receipts.poll_error", extra={"error": type(error).__name__, "where": where})  # noqa: TRY400
                pause = ERROR_SECONDS
            self._stop.wait(pause)
        self._poller.close()
