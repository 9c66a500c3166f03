"""The Idempotency-Key header: a POST can be repeated if its response was lost.

The effect of the request and its response are written in one commit. Only successful responses are stored: a request
that was refused did nothing, and can be retried.
(draft-ietf-httpapi-idempotency-key-header; it leaves open for how long a key is stored.)
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from flask import Response, request
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.functions import Function
from webargs.flaskparser import abort
from werkzeug.wrappers import Response as BaseResponse

from api.extensions import db
from api.principal import current_principal
from shared.domain.idempotency import IDEMPOTENCY_TTL
from shared.schema import IdempotencyRecord

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,255}")
"""Visible ASCII, as a header takes it."""

STORED_HEADERS = ("Content-Type", "Location", "ETag", "Set-Cookie")
"""The last one is for forms: the cookie with the notice for the next page (api/console/flash_messages.py)."""
CLEANUP_BATCH = 1000
"""Expired records that one request removes at most."""


def refuse_key(why: str) -> None:
    """Responds with 422 if the request has an Idempotency-Key, of an operation that takes none."""
    if HEADER in request.headers:
        abort(422, errors={"headers": {HEADER: [f"Not taken here: {why}"]}})


def refuse_key_of_file() -> None:
    """Likewise, of an import."""
    refuse_key("the same file again changes nothing anyway.")


def idempotent(view: View) -> View:
    """Runs the view and commits, unless the request's key was used already: then repeats the stored response."""

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            response: Response = view(*args, **kwargs)
        else:
            scoped_key, request_hash = _scoped_key(key), _hash()
            if stored := _find(scoped_key, request_hash):
                return _replay(stored)
            response = view(*args, **kwargs)
            store_response(scoped_key, request_hash, response)
        db.session.commit()
        return response

    return wrapper  # type: ignore[return-value]


def _scoped_key(key: str) -> str:
    """The key as it is stored, scoped to the caller. Responds with 422 if it is not a valid key."""
    if not KEY.fullmatch(key):
        _refuse(422, "Must be 1 to 255 visible ASCII characters.")
    return f"{current_principal().actor} {key}"


def _find(key: str, request_hash: bytes) -> IdempotencyRecord | None:
    """The stored response of the key. Locks the key until the end of the transaction.

    Responds with 422 if the key was used with another request, and 409 while a request with it is running.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(_lock_of(key)))):
        _refuse(409, "A request with this key is still running. Retry later.")
    stored = _stored(key)
    if stored is not None and stored.request_hash != request_hash:
        _refuse(422, "This key was used with another request. Use a new one.")
    return stored


def wait_for_response(key: str) -> IdempotencyRecord | None:
    """Waits for a running request with the key, then locks the key and returns its stored response.

    Waits at most API_STATEMENT_TIMEOUT.
    """
    db.session.execute(select(func.pg_advisory_xact_lock(_lock_of(key))))
    return _stored(key)


def _lock_of(key: str) -> Function[int]:
    return func.hashtextextended(key, 0)


def _stored(key: str) -> IdempotencyRecord | None:
    return db.session.scalar(
        select(IdempotencyRecord).where(
            IdempotencyRecord.key == key, IdempotencyRecord.created_at > func.now() - IDEMPOTENCY_TTL
        )
    )


def _refuse(status: int, message: str) -> NoReturn:
    abort(status, errors={"headers": {HEADER: [message]}})


def _replay(stored: IdempotencyRecord) -> Response:
    response = Response(stored.body, stored.status, stored.headers)
    response.headers["Idempotent-Replayed"] = "true"
    return response


def store_response(key: str, request_hash: bytes, response: BaseResponse) -> None:
    """Adds the response to the current transaction. Replaces an expired one of the same key."""
    expired = select(IdempotencyRecord.key).where(IdempotencyRecord.created_at <= func.now() - IDEMPOTENCY_TTL)
    batch = expired.limit(CLEANUP_BATCH).with_for_update(skip_locked=True)
    db.session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.key.in_(batch)))
    record = {
        "key": key,
        "request_hash": request_hash,
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in STORED_HEADERS if name in response.headers},
        "body": response.get_data(),
    }
    renewed = record | {"created_at": func.now()}  # of an expired key that is not removed yet
    db.session.execute(
        insert(IdempotencyRecord).values(record).on_conflict_do_update(index_elements=["key"], set_=renewed)
    )


def _hash() -> bytes:
    what = "\0".join((request.method, request.path.rstrip("/"), request.mimetype, ""))
    return hashlib.blake2b(what.encode() + request.get_data(), digest_size=32).digest()
