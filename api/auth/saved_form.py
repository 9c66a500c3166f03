"""A form of the console that can't be accepted now is shown again with its content, and has no effect.

Without a session, the response is the sign-in page. It has the form's content in one signed hidden field, so that the
server stores nothing for anonymous callers. A form whose token is from before the sign-in is shown again with a new
token. The content belongs to the browser: the next person who signs in there sees it.
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
MAX_AGE = timedelta(days=7)
"""A sign-in page may stay open over a holiday."""
EXCLUDED_FIELDS = frozenset({csrf.FIELD, "form_token", FIELD, "language", "theme"})
SECRETS = "credentials."
"""How the names of fields begin whose content is in no page: it must be typed again."""
MIMETYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "")
"""Of a form, or empty: a file that a script sends is not a form."""
RESERVED_BYTES = 4096
"""Bytes of a request's body that are reserved for the sign-in fields and addresses."""


class ReshowReason(enum.Enum):
    """Why a form is shown again instead of being processed."""

    SIGNED_IN = enum.auto()
    """It was sent without a session, and restored after the sign-in."""
    STALE = enum.auto()
    """Its page was rendered before this sign-in."""
    SWITCHED = enum.auto()
    """The viewer has switched its language or colours."""


class SavedForm(NamedTuple):
    """The content of a form, and the address that it was sent to."""

    address: str
    fields: list[tuple[str, str]]


def reshow_reason() -> ReshowReason | None:
    """Why this request's form is to be shown again; None if it is to be processed."""
    why: ReshowReason | None = g.get("shown_again")
    return why


def show_again(why: ReshowReason) -> None:
    """Has this request's form shown again instead of processed."""
    g.shown_again = why


def is_form() -> bool:
    """Whether the request is a form of the console that our own page has sent."""
    is_posted = request.method == "POST" and request.mimetype in MIMETYPES
    return is_posted and request.blueprint == "console" and not csrf.is_foreign()


def serialize_request() -> str | None:
    """The request's form, signed for the hidden field; None if there is none, or it is too long to be sent again."""
    if not is_form():
        return None
    if (earlier := request.form.get(FIELD)) and read(earlier):
        return earlier
    fields = [list(pair) for pair in request.form.items(multi=True) if _is_kept(pair[0])]
    kept = str(serializer().dumps([_address(), fields], salt=SALT))  # compressed, where that is shorter
    limit = request.max_content_length
    return kept if limit is None or len(kept) <= limit - RESERVED_BYTES else None


def submitted_fields() -> list[tuple[str, str]]:
    """The content of the request's form; empty if it can't be read. The form's address may not exist any more."""
    try:
        fields = request.form.items(multi=True) if is_form() else ()
        return [(name, text) for name, text in fields if _is_kept(name) and text.strip()]
    except HTTPException:
        return []


def _is_kept(name: str) -> bool:
    return name not in EXCLUDED_FIELDS and not name.startswith(SECRETS)


def read(kept: str | None) -> SavedForm | None:
    """The form in the hidden field; None if its signature is invalid or too old."""
    if not kept:
        return None
    try:
        address, fields = serializer().loads(kept, max_age=int(MAX_AGE.total_seconds()), salt=SALT)
    except BadData:
        return None
    return SavedForm(local_address(address, "/"), [(name, text) for name, text in fields])


def restore() -> bool:
    """Replaces the request's form by the one saved for this address before the sign-in, to be shown again."""
    kept = read(request.form.get(FIELD))
    if kept is None or kept.address.partition("?")[0] != request.path:
        return False
    request.form = ImmutableMultiDict(kept.fields)
    show_again(ReshowReason.SIGNED_IN)
    return True


def page_address() -> str:
    """The address of the page that the request's form is on."""
    adapter = current_app.create_url_adapter(request) if request.method == "POST" else None
    if adapter is not None and "GET" not in adapter.allowed_methods():
        # An action without a page of its own is on the page of its object.
        return request.path.rstrip("/").rpartition("/")[0] + "/"
    return _address()


def _address() -> str:
    return request.full_path.rstrip("?")
