"""The Idempotency-Key: a POST that may be repeated when its response was lost.

What the request did and its response are written in one commit, so there is never the one without the other. Only
responses of success are stored: a request that was refused did nothing, and may be tried again.
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
"""The last is of the response to a form: the notice that the next page shows (api/console/notices.py)."""
CLEANUP_BATCH = 1000
"""Expired records that one request removes at most."""


def idempotent(view: View) -> View:
    """Runs the view and commits, unless the request's key was used already: then repeats the stored response."""

    @functools.wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            response: Response = view(*args, **kwargs)
        else:
            mine, request_hash = _scoped_key(key), _hash()
            if kept := _find(mine, request_hash):
                return _repeat(kept)
            response = view(*args, **kwargs)
            keep_answer(mine, request_hash, response)
        db.session.commit()
        return response

    return answer  # type: ignore[return-value]


def _scoped_key(key: str) -> str:
    """The key as it is stored: by who sends it. Responds with 422 if it is not a valid key."""
    if not KEY.fullmatch(key):
        _refuse(422, "Must be 1 to 255 visible ASCII characters.")
    return f"{current_principal().actor} {key}"


def _find(key: str, request_hash: bytes) -> IdempotencyRecord | None:
    """The stored response of the key. Until the end of the transaction, no other request can use the key.

    Responds with 422 if the key was used with another request, 409 while that one runs.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(_lock_of(key)))):
        _refuse(409, "A request with this key is still running. Retry later.")
    kept = _kept(key)
    if kept is not None and kept.request_hash != request_hash:
        _refuse(422, "This key was used with another request. Use a new one.")
    return kept


def wait_for_answer(key: str) -> IdempotencyRecord | None:
    """The stored response of the key, after a request that uses it now has committed. Then no other can use the key.

    Waits for as long as a statement may take (API_STATEMENT_TIMEOUT).
    """
    db.session.execute(select(func.pg_advisory_xact_lock(_lock_of(key))))
    return _kept(key)


def _lock_of(key: str) -> Function[int]:
    return func.hashtextextended(key, 0)


def _kept(key: str) -> IdempotencyRecord | None:
    return db.session.scalar(
        select(IdempotencyRecord).where(
            IdempotencyRecord.key == key, IdempotencyRecord.created_at > func.now() - IDEMPOTENCY_TTL
        )
    )


def _refuse(status: int, message: str) -> NoReturn:
    abort(status, errors={"headers": {HEADER: [message]}})


def _repeat(kept: IdempotencyRecord) -> Response:
    response = Response(kept.body, kept.status, kept.headers)
    response.headers["Idempotent-Replayed"] = "true"
    return response


def keep_answer(key: str, request_hash: bytes, response: BaseResponse) -> None:
    """Adds the response to what is being committed, in place of an expired one of the same key."""
    expired = select(IdempotencyRecord.key).where(IdempotencyRecord.created_at <= func.now() - IDEMPOTENCY_TTL)
    batch = expired.limit(CLEANUP_BATCH).with_for_update(skip_locked=True)
    db.session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.key.in_(batch)))
    answer = {
        "key": key,
        "request_hash": request_hash,
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in STORED_HEADERS if name in response.headers},
        "body": response.get_data(),
    }
    renewed = answer | {"created_at": func.now()}  # of an expired key that is not removed yet
    db.session.execute(
        insert(IdempotencyRecord).values(answer).on_conflict_do_update(index_elements=["key"], set_=renewed)
    )


def _hash() -> bytes:
    what = "\0".join((request.method, request.path.rstrip("/"), request.mimetype, ""))
    return hashlib.blake2b(what.encode() + request.get_data(), digest_size=32).digest()
