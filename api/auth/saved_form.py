"""A form of the console that can't be taken just now is shown again with what was typed, and nothing is done with it.

Nobody is signed in: the answer is the sign-in page, and the form goes through it as one hidden field, signed, so that
the server keeps nothing for strangers. The page's token is from before a sign-in: the form itself comes again, with a
new token. What was typed belongs to the browser: whoever signs in there next is shown it.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import NamedTuple

from flask import current_app, g, request
from itsdangerous import BadData
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException

from api.auth import csrf
from api.auth.sessions import serializer
from api.http.safe_redirect import local_address

FIELD = "kept"
SALT = "kept form"
KEPT_FOR = timedelta(days=7)
"""A sign-in page may stay open over a holiday."""
NOT_TYPED = frozenset({csrf.FIELD, "form_token", FIELD, "language", "theme"})
MIMETYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "")
"""Of a form, or of nothing at all: a file that a script sends is no form."""
ROOM = 4096
"""Bytes of a request's body that are left for the sign-in itself, and for addresses."""


class Again(enum.Enum):
    """Why a form is shown again instead of being taken."""

    SIGNED_IN = enum.auto()
    """It was sent when nobody was signed in; since, somebody is."""
    STALE = enum.auto()
    """Its page is from before this sign-in."""
    SWITCHED = enum.auto()
    """Its page is wanted in another language or in other colours."""


class SavedForm(NamedTuple):
    """What was typed, and the address that it was sent to."""

    address: str
    fields: list[tuple[str, str]]


def why_again() -> Again | None:
    """Why this request's form is to be shown again; none if it is to be taken."""
    why: Again | None = g.get("shown_again")
    return why


def show_again(why: Again) -> None:
    """Has this request's form shown and not taken."""
    g.shown_again = why


def is_form() -> bool:
    """Whether the request is a form of the console that our own page has sent."""
    is_posted = request.method == "POST" and request.mimetype in MIMETYPES
    return is_posted and request.blueprint == "console" and not csrf.is_foreign()


def kept_of_request() -> str | None:
    """The request's form as a hidden field carries it; none if there is none, or it is too long to be sent again."""
    if not is_form():
        return None
    if (earlier := request.form.get(FIELD)) and read(earlier):
        return earlier
    fields = [list(pair) for pair in request.form.items(multi=True) if pair[0] not in NOT_TYPED]
    kept = str(serializer().dumps([_address(), fields], salt=SALT))  # compressed, where that is shorter
    limit = request.max_content_length
    return kept if limit is None or len(kept) <= limit - ROOM else None


def typed_of_request() -> list[tuple[str, str]]:
    """What was typed in the request's form, if it can be read: the address of what it was for may be gone."""
    try:
        fields = request.form.items(multi=True) if is_form() else ()
        return [(name, text) for name, text in fields if name not in NOT_TYPED and text.strip()]
    except HTTPException:
        return []


def read(kept: str | None) -> SavedForm | None:
    """What a hidden field carries; none if it is not ours, or too old."""
    if not kept:
        return None
    try:
        address, fields = serializer().loads(kept, max_age=int(KEPT_FOR.total_seconds()), salt=SALT)
    except BadData:
        return None
    return SavedForm(local_address(address, "/"), [(name, text) for name, text in fields])


def take_back() -> bool:
    """Puts what a form of this address carried through a sign-in in place of what was sent, to be shown again."""
    kept = read(request.form.get(FIELD))
    if kept is None or kept.address.partition("?")[0] != request.path:
        return False
    request.form = ImmutableMultiDict(kept.fields)
    show_again(Again.SIGNED_IN)
    return True


def page_of_request() -> str:
    """The address of the page that the request's form is on."""
    adapter = current_app.create_url_adapter(request) if request.method == "POST" else None
    if adapter is not None and "GET" not in adapter.allowed_methods():
        # A deed without a page of its own is on the page of what it is done to.
        return request.path.rstrip("/").rpartition("/")[0] + "/"
    return _address()


def _address() -> str:
    return request.full_path.rstrip("?")
