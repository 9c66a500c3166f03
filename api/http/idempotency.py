"""A POST that may be repeated when its answer was lost: the Idempotency-Key.

What the request did and the answer to it are written in one commit, so there is never the one without the other. Only
answers of success are kept: a request that was refused did nothing, and may be tried again.
(draft-ietf-httpapi-idempotency-key-header; how long a key is kept is ours to say.)
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from flask import Response, request
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.functions import Function
from webargs.flaskparser import abort
from werkzeug.wrappers import Response as BaseResponse

from api.extensions import db
from api.principal import current_principal
from shared.schema import IdempotencyRecord

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
KEY = re.compile(r"[!-~]{1,255}")
"""Visible ASCII, as a header takes it."""

KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Set-Cookie")
"""Of the last, the answer to a form has one: what the page that follows is to tell (api/console/notices.py)."""
SWEEP = 1000
"""Answers that are over their time, removed by one request at most."""


def idempotent(view: View) -> View:
    """Runs the view and commits, unless the request's key says that this has been done: then repeats the answer."""

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
    """The key as it is kept: everybody has keys of their own. Answers 422 for what can't be one."""
    if not KEY.fullmatch(key):
        _refuse(422, "Must be 1 to 255 visible ASCII characters.")
    return f"{current_principal().actor} {key}"


def _find(key: str, request_hash: bytes) -> IdempotencyRecord | None:
    """The answer kept for the key. Until the end of the transaction, nobody else can use the key.

    Answers 422 for one that came with another request, 409 while that one runs.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(_lock_of(key)))):
        _refuse(409, "A request with this key is still running. Ask again in a while.")
    kept = _kept(key)
    if kept is not None and kept.request_hash != request_hash:
        _refuse(422, "This key came with another request before: take a new one.")
    return kept


def wait_for_answer(key: str) -> IdempotencyRecord | None:
    """The answer kept for the key, after whoever uses it now has committed. Then, nobody else can use the key.

    Waits for as long as a statement may take (API_STATEMENT_TIMEOUT).
    """
    db.session.execute(select(func.pg_advisory_xact_lock(_lock_of(key))))
    return _kept(key)


def _lock_of(key: str) -> Function[int]:
    return func.hashtextextended(key, 0)


def _kept(key: str) -> IdempotencyRecord | None:
    return db.session.scalar(
        select(IdempotencyRecord).where(
            IdempotencyRecord.key == key, IdempotencyRecord.created_at > func.now() - KEPT_FOR
        )
    )


def _refuse(status: int, message: str) -> NoReturn:
    abort(status, errors={"headers": {HEADER: [message]}})


def _repeat(kept: IdempotencyRecord) -> Response:
    response = Response(kept.body, kept.status, kept.headers)
    response.headers["Idempotent-Replayed"] = "true"
    return response


def keep_answer(key: str, request_hash: bytes, response: BaseResponse) -> None:
    """Adds the answer to what is being committed, in place of one that was kept for the key before."""
    over = select(IdempotencyRecord.key).where(IdempotencyRecord.created_at <= func.now() - KEPT_FOR).limit(SWEEP)
    db.session.execute(
        delete(IdempotencyRecord).where(IdempotencyRecord.key.in_(over.with_for_update(skip_locked=True)))
    )
    answer = {
        "key": key,
        "request_hash": request_hash,
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        "body": response.get_data(),
    }
    renewed = answer | {"created_at": func.now()}  # of a key that is over its time and not swept yet
    db.session.execute(
        insert(IdempotencyRecord).values(answer).on_conflict_do_update(index_elements=["key"], set_=renewed)
    )


def _hash() -> bytes:
    what = "\0".join((request.method, request.path.rstrip("/"), request.mimetype, ""))
    return hashlib.blake2b(what.encode() + request.get_data(), digest_size=32).digest()
