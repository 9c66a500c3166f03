"""Notices: what a form has done, shown once by the page that follows, to the person who sent it.

The redirect carries the notice as a signed cookie for the following page's path alone, so two tabs that send forms at
the same time neither lose nor swap theirs, and the address stays clean. The page deletes the cookie.
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
"""Seconds in which the page must have been loaded: later, the notice may be out of date."""


class Notice(NamedTuple):
    """What was done."""

    name: str
    """By which the page chooses its sentence."""
    messages: int | None = None
    """How many messages it was done to, where the notice shows that."""
    more: bool = False
    """Whether there are more that it could be done to."""


def set_notice(notice: Notice) -> None:
    """Sets the notice for the page that follows, shown if the form's work is committed."""
    g.notice = notice


def attach(answer: BaseResponse, address: str) -> None:
    """Adds the notice, if there is one, to the redirect to that address."""
    notice: Notice | None = g.pop("notice", None)
    if notice is not None:
        path = urlsplit(address).path
        signed = serializer().dumps([current_principal().actor, path, *notice], salt=SALT)
        text = signed if isinstance(signed, str) else signed.decode()
        secure = request.is_secure
        answer.set_cookie(COOKIE, text, max_age=FRESH, path=path, secure=secure, httponly=True, samesite="Lax")


def take_notice() -> Notice | None:
    """The notice that this page is to show, once. The live part of a page shows none."""
    if request.method != "GET" or request.args.get("part"):
        return None
    # The browser also sends a cookie of the path above, under the same name.
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
def delete_shown_notice(response: Response) -> Response:
    """A notice that was shown is not shown again."""
    if g.pop("notice_taken", False):
        response.delete_cookie(COOKIE, path=request.path)
    return response
