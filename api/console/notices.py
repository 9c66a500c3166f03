"""What a form has done, told on the page that follows: by the server, once, to the person who sent it.

The redirect carries the notice as a signed cookie for the following page's path alone, so two tabs that do things at
the same time neither lose nor swap theirs, and an address says nothing. The page takes it out again.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Response, g, request
from itsdangerous import BadData
from werkzeug.wrappers import Response as BaseResponse

from api.auth.sessions import serializer
from api.console.blueprint import blp
from api.principal import current_principal

COOKIE = "gonets_notice"
SALT = "notice"
"""Keeps a notice from being taken for a session, which is signed with the same secret."""

FRESH = 120
"""Seconds in which the page must have been loaded: later, what it says may not be so any more."""


class Notice(NamedTuple):
    """What was done."""

    name: str
    """A word of the page that shows it."""
    messages: int | None = None
    """To how many messages it was done, where that is told."""
    more: bool = False
    """Whether there are more that it could be done to."""


def tell(notice: Notice) -> None:
    """Lets the page that this form leads to say so, if the form's work is committed."""
    g.notice = notice


def attach(answer: BaseResponse, address: str) -> None:
    """Gives the redirect to that address what the page there is to tell."""
    notice: Notice | None = g.pop("notice", None)
    if notice is not None:
        path = urlsplit(address).path
        signed = serializer().dumps([current_principal().actor, path, *notice], salt=SALT)
        text = signed if isinstance(signed, str) else signed.decode()
        secure = request.is_secure
        answer.set_cookie(COOKIE, text, max_age=FRESH, path=path, secure=secure, httponly=True, samesite="Lax")


def take() -> Notice | None:
    """What this page is to tell, once. A part of a page that is watched tells nothing."""
    if request.method != "GET" or request.args.get("part"):
        return None
    # A cookie of the path above comes along, as one of the same name.
    for cookie in request.cookies.getlist(COOKIE):
        try:
            actor, path, name, messages, more = serializer().loads(cookie, max_age=FRESH, salt=SALT)
        except (BadData, ValueError, TypeError):
            continue
        if (actor, path) == (current_principal().actor, request.path):
            g.notice_taken = True
            return Notice(name, messages, more)
    return None


@blp.after_request
def forget_what_was_told(response: Response) -> Response:
    """A notice that was shown is not shown again."""
    if g.pop("notice_taken", False):
        response.delete_cookie(COOKIE, path=request.path)
    return response
