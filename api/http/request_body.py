"""The body of a request, up to its limit: a body of exactly the limit is accepted, one byte more is refused (413)."""

from __future__ import annotations

from typing import IO, cast

from flask import Request as FlaskRequest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream, get_content_length, get_input_stream


class Request(FlaskRequest):
    """A request whose body is limited with or without a Content-Length."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Reading raises RequestEntityTooLarge beyond `max_content_length`."""
        limit = self.max_content_length
        if get_content_length(self.environ) is None and "wsgi.input_terminated" in self.environ and limit is not None:
            return cast(IO[bytes], _UpTo(self.environ["wsgi.input"], limit, is_max=True))
        # With a Content-Length, Werkzeug checks that, and not the end of the input.
        environ = {name: value for name, value in self.environ.items() if name != "wsgi.input_terminated"}
        return get_input_stream(environ, max_content_length=limit)


class _UpTo(LimitedStream):
    """LimitedStream refuses a body of exactly the limit if it is read to its end, and truncates a longer one."""

    def on_exhausted(self) -> None:
        if self._stream.read(1):
            raise RequestEntityTooLarge

    def readall(self) -> bytes:
        body = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return body
