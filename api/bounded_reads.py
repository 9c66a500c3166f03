"""Reads that may take long and are given up then, in a request of any method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.errors
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from api.extensions import db


class ReadTimeout(Exception):
    """A statement took longer than it may."""


@contextmanager
def bounded_reads(seconds: float) -> Iterator[Connection]:
    """A block of reads, each statement of which may take so many seconds. Raises ReadTimeout.

    A block of its own within the request's transaction, since a cursor needs one and the limit must end with it. The
    connections of requests that only read have none (api/database_pool.py).
    """
    db.session.flush()
    connection = db.session.connection()
    reading = bool(connection.connection.dbapi_connection.autocommit)  # type: ignore[union-attr]
    begin, end = ("BEGIN", "ROLLBACK") if reading else ("SAVEPOINT reads", "ROLLBACK TO reads; RELEASE reads")
    connection.exec_driver_sql(begin)
    try:
        limit = "SELECT set_config('statement_timeout', %(limit)s, true)"
        connection.exec_driver_sql(limit, {"limit": f"{max(int(seconds * 1000), 1)}ms"})
        yield connection
    except OperationalError as error:
        if not isinstance(error.orig, psycopg2.errors.QueryCanceled):
            raise
        raise ReadTimeout from error
    finally:
        connection.exec_driver_sql(end)
