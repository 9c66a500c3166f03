"""Checkout of pooled connections without extra round trips: no ping, no empty BEGIN and ROLLBACK."""

from __future__ import annotations

import select
from typing import Any

import psycopg2
from flask import has_request_context, request
from sqlalchemy.exc import DisconnectionError

READING = ("GET", "HEAD")
"""Methods whose requests only read. Under READ COMMITTED each of their statements has a snapshot of its own anyway."""
WRITING = "sign_in"
"""The blueprint that also writes in a GET: opening a link, the redirect back from a provider."""


def prepare(connection: Any, *_: Any) -> None:
    """Prepares a pooled connection for a request: one that only reads uses autocommit.

    Raises DisconnectionError for a connection that its server has ended; then the pool opens a new one.
    """
    if _ended(connection):
        raise DisconnectionError("the server has ended the connection")
    reading = has_request_context() and request.method in READING and request.blueprint != WRITING
    if connection.autocommit != reading:
        connection.autocommit = reading


def _ended(connection: Any) -> bool:
    """Whether the socket is readable: between two requests, only because the server has closed it.

    This needs no round trip. A server that vanished without closing is noticed by the next statement, as it would be
    by a ping.
    """
    try:
        idle = select.poll()
        idle.register(connection.fileno(), select.POLLIN)
        return bool(idle.poll(0))
    except (psycopg2.Error, OSError):
        return True
