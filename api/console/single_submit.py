"""A form does its work once, however often it is sent: by two clicks, Enter twice, a reload, or going back.

Each rendered form carries a token. What the form did and the address that it led to are written in one commit, by the
mechanism of the API's Idempotency-Key: a second submission waits for the first one's commit and leads to the same
address. A form that was refused did nothing, and its token may be used again.
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

from api.auth.saved_form import Again, why_again
from api.http.idempotency import keep_answer, wait_for_answer
from api.principal import current_principal

FIELD = "form_token"
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
NOT_CONTENT = (FIELD, "csrf_token")


def new_token() -> str:
    """A token for a form that is being rendered; one that is only shown in another language is the same form still."""
    same = request.form.get(FIELD, "") if why_again() is Again.SWITCHED else ""
    return same if TOKEN.fullmatch(same) else secrets.token_urlsafe(16)


class Earlier(NamedTuple):
    """What came of an earlier submission of a form."""

    address: str
    """Where it led to."""
    at: datetime
    has_same_content: bool
    notice: str | None
    """The cookie with what the page that follows is to show, if any (api/console/notices.py)."""

    def repeat(self) -> Response:
        """The same answer once more."""
        answer = redirect(self.address)
        if self.notice:
            answer.headers.add("Set-Cookie", self.notice)
        return answer


class Submission:
    """What this request sends of a form: whose, of which page, and with what content.

    A program may leave the token out; then each request is a submission of its own.
    """

    def __init__(self) -> None:
        token = request.form.get(FIELD, "")
        # An Idempotency-Key has no blank: a form's key can't be mistaken for one.
        self._key = f"{current_principal().actor} form {token}" if TOKEN.fullmatch(token) else None
        content = sorted((name, value) for name, value in request.form.items(multi=True) if name not in NOT_CONTENT)
        what = f"{request.path.rstrip('/')}\0{urlencode(content, errors='surrogatepass')}"
        self._hash = hashlib.blake2b(what.encode(), digest_size=32).digest()

    def earlier(self) -> Earlier | None:
        """What came of an earlier submission of this form, whatever its content was. Waits for one that still runs."""
        kept = wait_for_answer(self._key) if self._key else None
        if kept is None:
            return None
        same = kept.request_hash == self._hash
        return Earlier(str(kept.headers["Location"]), kept.created_at, same, kept.headers.get("Set-Cookie"))

    def keep(self, answer: Response) -> None:
        """Adds the answer to what is being committed."""
        if self._key:
            keep_answer(self._key, self._hash, answer)
