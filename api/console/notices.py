"""Notices: the result of a form, shown once on the next page to the person who sent it.

The redirect sets the notice as a signed cookie for the next page's path only, so that forms sent from two tabs at the
same time do not lose or swap notices, and the address has no parameters. The page deletes the cookie.
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
"""Distinguishes a notice from a session, which is signed with the same secret."""

MAX_AGE_SECONDS = 120
"""Seconds within which the page must be loaded. Later, the notice may be outdated."""


class Notice(NamedTuple):
    """The result of a form."""

    name: str
    """The name of the notice's sentence."""
    messages: int | None = None
    """The number of messages affected, if the notice shows it."""
    more: bool = False
    """Whether there are more messages to apply the action to."""


def set_notice(notice: Notice) -> None:
    """Sets the notice for the next page, shown if the form's work is committed."""
    g.notice = notice


def attach(response: BaseResponse, address: str) -> None:
    """Adds the notice, if there is one, to the redirect to that address."""
    notice: Notice | None = g.pop("notice", None)
    if notice is not None:
        path = urlsplit(address).path
        signed = serializer().dumps([current_principal().actor, path, *notice], salt=SALT)
        text = signed if isinstance(signed, str) else signed.decode()
        secure = request.is_secure
        response.set_cookie(
            COOKIE, text, max_age=MAX_AGE_SECONDS, path=path, secure=secure, httponly=True, samesite="Lax"
        )


def take_notice() -> Notice | None:
    """The notice to show once on this page. The live part of a page shows none."""
    if request.method != "GET" or request.args.get("part"):
        return None
    # The browser also sends cookies of parent paths, under the same name.
    for cookie in request.cookies.getlist(COOKIE):
        try:
            actor, path, name, messages, more = serializer().loads(cookie, max_age=MAX_AGE_SECONDS, salt=SALT)
        except (BadData, ValueError, TypeError):
            continue
        if (actor, path) == (current_principal().actor, request.path):
            g.notice_taken = True
            return Notice(name, messages, more)
    return None


@blp.after_request
def delete_shown_notice(response: Response) -> Response:
    """Deletes the cookie of a notice that was shown."""
    if g.pop("notice_taken", False):
        response.delete_cookie(COOKIE, path=request.path)
    return response
