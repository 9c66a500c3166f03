"""The entity tags of clients and mailings.

A tag is `"<hash of the editable fields>.<hash of the whole>"`. If-None-Match compares the whole; If-Match only the
first part, since a running mailing's counts change constantly and must not fail an editor's write.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from flask import Response, request
from werkzeug.datastructures import ETags
from werkzeug.exceptions import PreconditionFailed

_GIVEN = re.compile(r"[0-9a-f]{24}\.[0-9a-f]{24}")
_SEND = "Send the ETag that reading the resource answers, with its quotes, or leave If-Match out."


def tagged(response: Response, editable: Iterable[str]) -> Response:
    """Adds the tag of the `editable` fields and of the whole to the response; 304 if a GET sent that tag.

    If-None-Match also matches a weak tag (RFC 9110, section 13.1.2).
    """
    body = response.get_data()
    resource = json.loads(body)
    tag = f"{_digest({name: resource[name] for name in editable})}.{_hash(body)}"
    response.set_etag(tag)
    given = request.if_none_match
    if request.method in ("GET", "HEAD") and (given.star_tag or tag in _ours(given)):
        response.status_code = 304  # which Werkzeug sends without the body
    return response


def check_edited(edited: object, given: ETags) -> None:
    """Raises PreconditionFailed (412), with the reason, unless If-Match has a tag of the present editable fields.

    A weak tag matches, though section 13.1.1 has If-Match compare strong tags only. All tags of this API are strong;
    one becomes weak when a proxy compresses the response, which does not change the editable fields.
    """
    if given.star_tag:
        return
    ours = _ours(given)
    if _digest(edited) in {tag.partition(".")[0] for tag in ours}:
        return
    if ours:
        reason = "The resource has been edited since this ETag was answered: read it again before you write."
    elif any(given.as_set(include_weak=True)):
        reason = f"If-Match holds an ETag that is not one of this API. {_SEND}"
    else:
        reason = f"If-Match holds no ETag. {_SEND}"
    failed = PreconditionFailed(reason)
    failed.data = {"message": reason, "errors": {"headers": {"If-Match": [reason]}}}  # type: ignore[attr-defined]
    raise failed


def _ours(given: ETags) -> set[str]:
    """The tags among these that have our format.

    Compressing proxies make a tag weak (nginx, Envoy, Cloudflare) or append to it (`-gzip`: Apache, Caddy).
    """
    tags = given.as_set(include_weak=True)
    return {found[0] for found in (_GIVEN.match(tag or "") for tag in tags) if found}


def _digest(edited: object) -> str:
    """The first part of a tag."""
    return _hash(json.dumps(edited, sort_keys=True).encode())


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()
