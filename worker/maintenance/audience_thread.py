"""The thread that lists audiences, with its own connection: a long statement delays neither sending nor maintenance."""

from __future__ import annotations

import logging
import threading
import traceback

from worker.database import TRANSIENT_ERRORS
from worker.maintenance.audience_lister import AudienceLister

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""Seconds after which a waiting thread sees that it is to stop."""

ERROR_SECONDS = 60.0
"""Seconds until the next listing after an unexpected error. Sending continues."""


class AudienceThread:
    """Lists audiences whenever maintenance has found one to list, until stopped.

    It is not joined: the server undoes a listing whose worker has ended.
    """

    def __init__(self, lister: AudienceLister, stop: threading.Event, unlisted: threading.Event) -> None:
        """No other thread may use `lister`. `unlisted` is set when there is an audience to list."""
        self._lister = lister
        self._stop = stop
        self._unlisted = unlisted
        self._thread = threading.Thread(target=self._run, name="audiences", daemon=True)

    def start(self) -> None:
        """Starts the thread. It connects to the database only when there is an audience to list."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._unlisted.wait(CHECK_SECONDS):
                continue
            self._unlisted.clear()
            try:
                self._lister.run()
            except TRANSIENT_ERRORS:  # the worker stops while the database is unavailable
                break
            except Exception as error:  # noqa: BLE001  listing must not stop sending
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("audience.error", extra={"error": type(error).__name__, "where": where})  # noqa: TRY400
                self._stop.wait(ERROR_SECONDS)
            finally:
                self._lister.close()
