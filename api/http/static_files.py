"""Files that pages load: at an address with their version they are kept for a year, and they go out compressed."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import PurePath

from flask import Response, request
from werkzeug.exceptions import NotFound

FOR_A_YEAR = "public, max-age=31536000, immutable"
"""What is at an address with a version is never another thing (RFC 8246)."""
FOR_MINUTES = "public, max-age=300"
"""At one without, or with a version of before: a page of an older process may have named it."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
}
COMPRESSED_ALREADY = frozenset({".png"})


class Assets:
    """Files by name, each read when it is first asked for. They share one version: that of all of them together.

    So a script's relative imports lead to the same version, wherever its own address says one.
    """

    def __init__(self, files: Mapping[str, Callable[[], bytes]]) -> None:
        self._files = files
        self._read = cache(lambda name: self._files[name]())
        self._packed = cache(lambda name: gzip.compress(self._read(name), mtime=0))

    @cached_property
    def version(self) -> str:
        """Another one when a file changes."""
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + hashlib.blake2b(self._read(name)).digest())
        return digest.hexdigest()

    def answer(self, name: str, version: str | None = None) -> Response:
        """The file, or 304. Raises NotFound when there is none of that name."""
        if name not in self._files:
            raise NotFound
        kind = PurePath(name).suffix
        packable = kind not in COMPRESSED_ALREADY
        packed = packable and request.accept_encodings["gzip"] > 0
        response = Response(self._packed(name) if packed else self._read(name), content_type=KINDS[kind])
        if packable:
            response.vary.add("Accept-Encoding")
        if packed:
            response.content_encoding = "gzip"
        response.headers["Cache-Control"] = FOR_A_YEAR if version == self.version else FOR_MINUTES
        response.add_etag()
        response.make_conditional(request)
        # That is the server's to say, and two are none.
        response.headers.pop("Date", None)
        return response
