"""A form does its work once, however often it is sent: by a double click, Enter twice, a reload, or going back.

Each rendered form has a token. The form's effect and the address that it redirects to are written in one commit, by
the mechanism of the API's Idempotency-Key: a second submission waits for the first one's commit and redirects to the
same address. A form that was refused had no effect, and its token can be used again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from api.auth.saved_form import ReshowReason, reshow_reason
from api.http.idempotency import store_response, wait_for_response
from api.principal import current_principal

FIELD = "form_token"
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
NOT_CONTENT = (FIELD, "csrf_token")


def new_token() -> str:
    """A token for a form that is being rendered. After a switch of language or colours, the token stays the same."""
    same = request.form.get(FIELD, "") if reshow_reason() is ReshowReason.SWITCHED else ""
    return same if TOKEN.fullmatch(same) else secrets.token_urlsafe(16)


class Earlier(NamedTuple):
    """The result of an earlier submission of a form."""

    address: str
    """Where it led to."""
    at: datetime
    has_same_content: bool
    notice: str | None
    """The cookie with the notice for the next page, if any (api/console/notices.py)."""

    def repeat(self) -> Response:
        """The same response again."""
        response = redirect(self.address)
        if self.notice:
            response.headers.add("Set-Cookie", self.notice)
        return response


class Submission:
    """A submission of a form, identified by principal and token, with a hash of its page and content.

    A program may omit the token; then each request is a new submission.
    """

    def __init__(self) -> None:
        token = request.form.get(FIELD, "")
        # An Idempotency-Key has no blank, so a form's key can't collide with one.
        self._key = f"{current_principal().actor} form {token}" if TOKEN.fullmatch(token) else None
        content = sorted((name, value) for name, value in request.form.items(multi=True) if name not in NOT_CONTENT)
        what = f"{request.path.rstrip('/')}\0{urlencode(content, errors='surrogatepass')}"
        self._hash = hashlib.blake2b(what.encode(), digest_size=32).digest()

    def earlier(self) -> Earlier | None:
        """The result of an earlier submission of this form, whatever its content. Waits for one that is running."""
        kept = wait_for_response(self._key) if self._key else None
        if kept is None:
            return None
        same = kept.request_hash == self._hash
        return Earlier(str(kept.headers["Location"]), kept.created_at, same, kept.headers.get("Set-Cookie"))

    def keep(self, response: Response) -> None:
        """Adds the response to the current transaction."""
        if self._key:
            store_response(self._key, self._hash, response)
