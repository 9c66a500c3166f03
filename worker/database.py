"""One connection to PostgreSQL, and short transactions on it that are retried while the database is unavailable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, parse_dsn
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from shared.database import CONNECT_OPTIONS
from shared.database_errors import explain
from worker.connection_watchdog import ConnectionWatchdog

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# Errors that may pass without a change here: a lost connection, a server restart, a deadlock, a full disk (SQLSTATE
# classes 08, 40, 53, 57 and 58 are all subclasses of OperationalError in psycopg2). From class 25: a server that has
# become a standby, and a transaction that the server ended because this process stalled within it.
TRANSIENT_ERRORS = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)

NOT_MIGRATED = (errors.UndefinedColumn, errors.UndefinedTable)
"""Errors of a worker that is newer than the database: optional work waits for the migration."""

TRANSACTION_TIMEOUT = 60.0
"""Seconds that a transaction may take before its connection is closed. The longest take a few seconds."""

# The server has timeouts too. That of a statement is a little shorter than ours: only the server can distinguish a slow
# statement from a lost one, and reports it. That of an idle transaction releases the locks (the rate limit, a mailing)
# of a worker that stalled between two statements, or whose machine failed.
SERVER_TIMEOUTS = "-c statement_timeout=50s -c idle_in_transaction_session_timeout=10s"

NO_JIT = "-c jit=off"
"""Compiling takes longer than any statement here. A pooler may ignore this, so the planner's estimates stay below
jit_above_cost as well (tests/integration/worker/test_query_plans.py)."""

SHUTDOWN_TIMEOUT = 5.0
"""Seconds for which a transaction is still retried while the worker is stopping."""


class Database:
    """Runs units of work, each in a separate transaction. For one thread.

    No transaction is open between two units: none is open during an HTTP request, and a pooler in transaction mode can
    be used.
    """

    def __init__(
        self,
        dsn: str,
        stop: threading.Event,
        application_name: str,
        on_retry: Callable[[], None] | None = None,
        transaction_timeout: float = TRANSACTION_TIMEOUT,
    ) -> None:
        """`on_retry` is called before each retry of a transaction. `transaction_timeout`: seconds that one may take."""
        self._dsn = dsn
        self._stop = stop
        self._on_retry = on_retry
        self._transaction_timeout = transaction_timeout
        # Options in the URL come last, so they take precedence.
        options = f"{NO_JIT} {SERVER_TIMEOUTS} {parse_dsn(dsn).get('options', '')}".strip()
        name = application_name[:63]
        self._options: dict[str, Any] = {**CONNECT_OPTIONS, "application_name": name, "options": options}
        self._connection: Connection | None = None
        self._watchdog: ConnectionWatchdog | None = None
        self.seconds = 0.0
        """Total time of the transactions that succeeded, commits included; without failed tries, the pauses between
        them, and connecting."""

    def transaction(self, work: Callable[[Cursor], Result]) -> Result:
        """Commits what `work` did and returns what it returned.

        After a transient error, `work` is run again on a new connection until it succeeds. It must be repeatable, also
        if its commit succeeded and only the acknowledgement was lost. Once the worker is stopping, the error is raised
        after SHUTDOWN_TIMEOUT seconds.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(TRANSIENT_ERRORS),
            wait=wait_random_exponential(multiplier=0.1, max=5.0),
            sleep=self._wait,
            stop=self._shutdown_deadline_passed,
            before_sleep=self._log_retry,
            reraise=True,
        )
        result: Result = retrying(self._once, work)
        return result

    def close(self) -> None:
        """Closes the connection, if there is one. The next transaction would open another."""
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(self, work: Callable[[Cursor], Result]) -> Result:
        if self._connection is None or self._watchdog is None:
            self._connection = psycopg2.connect(self._dsn, **self._options)
            # Independent of the database's default: decisions after a lock need a snapshot that is newer than the lock.
            self._connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
            self._watchdog = ConnectionWatchdog(self._connection, self._transaction_timeout)
        begun = time.monotonic()
        try:
            with self._watchdog, self._connection, self._connection.cursor() as cursor:
                result = work(cursor)
        except TRANSIENT_ERRORS:
            # After a deadlock the connection would still be usable, but errors are rare and a new connection is always
            # safe.
            self.close()
            raise
        except psycopg2.DatabaseError as error:
            # psycopg2 has no narrower type for libpq's own "server closed the connection unexpectedly".
            if type(error) is not psycopg2.DatabaseError:
                raise
            self.close()
            raise psycopg2.OperationalError(str(error)) from error
        self.seconds += time.monotonic() - begun
        return result

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            time.sleep(0.1)

    def _shutdown_deadline_passed(self, state: RetryCallState) -> bool:
        return self._stop.is_set() and (state.seconds_since_start or 0.0) > SHUTDOWN_TIMEOUT

    def _log_retry(self, state: RetryCallState) -> None:
        if self._on_retry is not None:
            self._on_retry()
        error = state.outcome.exception() if state.outcome else None
        reason = explain(error) if error else None
        log.warning("database.unavailable", extra={"tries": state.attempt_number, "error": reason})
