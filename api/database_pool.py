"""Pooled connections, given to requests with no round trip that tells nothing: no ping, no empty BEGIN and ROLLBACK."""

from __future__ import annotations

import select
from typing import Any

import psycopg2
from flask import has_request_context, request
from sqlalchemy.exc import DisconnectionError

READING = ("GET", "HEAD")
"""Methods whose requests only read. Under READ COMMITTED each of their statements has a snapshot of its own anyway."""
WRITING = "sign_in"
"""The blueprint that also writes in a GET: a link that is opened, a provider's way back."""


def prepare(connection: Any, *_: Any) -> None:
    """Makes a connection from the pool ready for a request: one that only reads goes without transactions.

    Raises DisconnectionError for a connection that its server has ended; then the pool opens a new one.
    """
    if _ended(connection):
        raise DisconnectionError("the server has ended the connection")
    reading = has_request_context() and request.method in READING and request.blueprint != WRITING
    if connection.autocommit != reading:
        connection.autocommit = reading


def _ended(connection: Any) -> bool:
    """Whether there is something to read, as between two requests there is only when the server has gone.

    The system knows that without asking the server. A machine that vanished without a word is noticed by the next
    statement, as it would be by a ping.
    """
    try:
        idle = select.poll()
        idle.register(connection.fileno(), select.POLLIN)
        return bool(idle.poll(0))
    except (psycopg2.Error, OSError):
        return True
