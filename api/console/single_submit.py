"""A form does its work once, however often it is sent: by two clicks, Enter twice, a reload, or going back.

Each rendered form carries a token. What the form did and the address that it led to are written in one commit, by the
mechanism of the API's Idempotency-Key: a second submission waits for the first one's commit and leads to the same
address. A form that was refused did nothing, and its token may be used again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from api.auth.saved_form import Again, why_again
from api.http.idempotency import keep_answer, wait_for_answer
from api.principal import current_principal
from shared.schema import IdempotencyRecord

FIELD = "form_token"
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
NOT_CONTENT = (FIELD, "csrf_token")


def new_token() -> str:
    """A token for a form that is being rendered; one that is only shown in another language is the same form still."""
    same = request.form.get(FIELD, "") if why_again() is Again.SWITCHED else ""
    return same if TOKEN.fullmatch(same) else secrets.token_urlsafe(16)


class Submission:
    """What this request sends of a form: whose, which page's, and with what content.

    A program may leave the token out; then each request is a submission of its own.
    """

    def __init__(self) -> None:
        token = request.form.get(FIELD, "")
        # An Idempotency-Key has no blank: a form's key is never taken for one.
        self._key = f"{current_principal().actor} form {token}" if TOKEN.fullmatch(token) else None
        content = sorted((name, value) for name, value in request.form.items(multi=True) if name not in NOT_CONTENT)
        what = f"{request.path.rstrip('/')}\0{urlencode(content, errors='surrogatepass')}"
        self._hash = hashlib.blake2b(what.encode(), digest_size=32).digest()

    def earlier(self) -> IdempotencyRecord | None:
        """The answer to an earlier submission of this form, whatever its content was. Waits for one that still runs."""
        return wait_for_answer(self._key) if self._key else None

    def is_same_as(self, kept: IdempotencyRecord) -> bool:
        """Whether the earlier submission had the same content."""
        return kept.request_hash == self._hash

    def repeat(self, kept: IdempotencyRecord) -> Response:
        """The earlier answer once more, with what the page that follows is to tell, as long as that is fresh."""
        answer = redirect(kept.headers["Location"])
        if notice := kept.headers.get("Set-Cookie"):
            answer.headers.add("Set-Cookie", notice)
        return answer

    def keep(self, answer: Response) -> None:
        """Adds the answer to what is being committed."""
        if self._key:
            keep_answer(self._key, self._hash, answer)
