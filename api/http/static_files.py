"""Static files, compressed. At a versioned address they are cached for a year."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import PurePath

from flask import Response, request
from werkzeug.exceptions import NotFound

CACHE_FOR_A_YEAR = "public, max-age=31536000, immutable"
"""The content of a versioned address never changes (RFC 8246)."""
CACHE_FOR_MINUTES = "public, max-age=300"
"""At an address without a version, or with an older one, which a page of an older process may link to."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
}
ALREADY_COMPRESSED = frozenset({".png"})


class Assets:
    """Files by name, each read at its first request. They share one version, a hash of all of them.

    So relative imports of a versioned script lead to the same version.
    """

    def __init__(self, files: Mapping[str, Callable[[], bytes]]) -> None:
        self._files = files
        self._read = cache(lambda name: self._files[name]())
        self._compressed = cache(lambda name: gzip.compress(self._read(name), mtime=0))

    @cached_property
    def version(self) -> str:
        """A hash of all files."""
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + hashlib.blake2b(self._read(name)).digest())
        return digest.hexdigest()

    def serve(self, name: str, version: str | None = None) -> Response:
        """The file, or 304. Raises NotFound when there is none of that name."""
        if name not in self._files:
            raise NotFound
        kind = PurePath(name).suffix
        compressible = kind not in ALREADY_COMPRESSED
        compressed = compressible and request.accept_encodings["gzip"] > 0
        response = Response(self._compressed(name) if compressed else self._read(name), content_type=KINDS[kind])
        if compressible:
            response.vary.add("Accept-Encoding")
        if compressed:
            response.content_encoding = "gzip"
        response.headers["Cache-Control"] = CACHE_FOR_A_YEAR if version == self.version else CACHE_FOR_MINUTES
        response.add_etag()
        response.make_conditional(request)
        # The server sets this header; two would be invalid.
        response.headers.pop("Date", None)
        return response
