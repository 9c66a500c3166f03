"""One connection to PostgreSQL, and short transactions on it that outlive a database that goes away."""

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

# What passes by itself: a lost connection, a server that restarts, a deadlock, a full disk (the manual's SQLSTATE
# classes 08, 40, 53, 57 and 58 are all subclasses of OperationalError in psycopg2). And of class 25: a server that has
# become a standby, and a transaction that the server has ended because we stood still in the middle of it.
TRANSIENT_ERRORS = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)

NOT_MIGRATED = (errors.UndefinedColumn, errors.UndefinedTable)
"""What a worker meets that is newer than the database: what it can do without waits for the migration."""

TRANSACTION_TIMEOUT = 60.0
"""How long a transaction may take before its connection is given up: the longest are some seconds of work."""

# The server gives up too. A statement, a little before us: only it can tell a statement that is slow from one that is
# lost, and says so. And a worker that stands still between two statements, or whose machine is gone: what it has locked
# (the fleet's pace, a mailing) is not to be kept from everybody else.
SERVER_TIMEOUTS = "-c statement_timeout=50s -c idle_in_transaction_session_timeout=10s"

NO_JIT = "-c jit=off"
"""Compiling takes longer than any statement here. A pooler may ignore this, so the planner's estimates stay below
jit_above_cost as well (tests/integration/worker/test_query_plans.py)."""

SHUTDOWN_TIMEOUT = 5.0
"""Seconds that a transaction is still tried for when the worker is being stopped."""


class Database:
    """Runs units of work, each in a transaction of its own. For one thread.

    There is never a transaction open between two units: no HTTP request happens inside one, and a pooler in
    transaction mode can sit in between.
    """

    def __init__(
        self,
        dsn: str,
        stop: threading.Event,
        application_name: str,
        on_retry: Callable[[], None] | None = None,
    ) -> None:
        """`on_retry` is called whenever a transaction has to be tried again."""
        self._dsn = dsn
        self._stop = stop
        self._on_retry = on_retry
        # Options in the URL come last, and so have the last word.
        options = f"{NO_JIT} {SERVER_TIMEOUTS} {parse_dsn(dsn).get('options', '')}".strip()
        name = application_name[:63]
        self._options: dict[str, Any] = {**CONNECT_OPTIONS, "application_name": name, "options": options}
        self._connection: Connection | None = None
        self._watchdog: ConnectionWatchdog | None = None
        self.seconds = 0.0
        """Time in all transactions that have succeeded, commits included: without the tries that failed before, the
        pauses between tries, and the connecting."""

    def transaction(self, work: Callable[[Cursor], Result]) -> Result:
        """Commits what `work` did and returns what it returned.

        In trouble that passes, `work` is run again on a new connection until it succeeds: it must be repeatable,
        also when its commit went through and only the answer was lost. Once the worker is being stopped, the
        trouble is raised after SHUTDOWN_TIMEOUT seconds.
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
            # Whatever the database's default is: what is decided after a lock needs a snapshot that is newer than it.
            self._connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
            self._watchdog = ConnectionWatchdog(self._connection, TRANSACTION_TIMEOUT)
        begun = time.monotonic()
        try:
            with self._watchdog, self._connection, self._connection.cursor() as cursor:
                result = work(cursor)
        except TRANSIENT_ERRORS:
            # A deadlock would leave a good connection, but errors are rare and a new connection is always right.
            self.close()
            raise
        except psycopg2.DatabaseError as error:
            # "server closed the connection unexpectedly" is libpq's own, and psycopg2 has no narrower type for it.
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
