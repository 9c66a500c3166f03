"""A thread for a duty of maintenance that may take long, with a connection of its own: it delays neither sending nor
the other duties.
"""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Protocol

from worker.database import NOT_MIGRATED, TRANSIENT_ERRORS

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""Seconds between runs of a duty that decides by itself what is due, and until a waiting thread sees that it is to
stop."""

ERROR_SECONDS = 60.0
"""Seconds until the next run after an unexpected error. Sending continues."""


class LongDuty(Protocol):
    """What such a thread does."""

    def run(self) -> None:
        """Does what is due. Connects to the database only for that."""

    def close(self) -> None:
        """Closes the connection, if there is one."""


class LongDutyThread:
    """Runs one duty until stopped. It is not joined: the server undoes a transaction whose worker has ended."""

    def __init__(self, name: str, duty: LongDuty, stop: threading.Event, due: threading.Event | None = None) -> None:
        """No other thread may use `duty`. `due` is set when there is something to do; without it, the duty decides."""
        self._name = name
        self._duty = duty
        self._stop = stop
        self._due = due
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._wait():
                continue
            try:
                self._duty.run()
            except TRANSIENT_ERRORS:  # the worker stops while the database is unavailable
                break
            except NOT_MIGRATED:
                log.warning("maintenance.not_migrated")
                self._stop.wait(ERROR_SECONDS)
            except Exception as error:  # noqa: BLE001  it must not stop sending
                where = "".join(traceback.format_tb(error.__traceback__))
                extra = {"duty": self._name, "error": type(error).__name__, "where": where}
                log.error("maintenance.error", extra=extra)  # noqa: TRY400
                self._stop.wait(ERROR_SECONDS)
            finally:
                self._duty.close()

    def _wait(self) -> bool:
        """Waits for CHECK_SECONDS at most. Returns whether the duty is to be run."""
        if self._due is None:
            return not self._stop.wait(CHECK_SECONDS)
        if not self._due.wait(CHECK_SECONDS):
            return False
        self._due.clear()
        return True
