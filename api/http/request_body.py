"""The body of a request, up to its limit: exactly so many bytes are taken, and one more is refused (413)."""

from __future__ import annotations

from typing import IO, cast

from flask import Request as FlaskRequest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream, get_content_length, get_input_stream


class Request(FlaskRequest):
    """A request whose body is read to its end, whether its length is announced or not."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Reading raises RequestEntityTooLarge beyond `max_content_length`."""
        limit = self.max_content_length
        if get_content_length(self.environ) is None and "wsgi.input_terminated" in self.environ and limit is not None:
            return cast(IO[bytes], _UpTo(self.environ["wsgi.input"], limit, is_max=True))
        # With an announced length Werkzeug compares that, and the end of the input does not matter.
        announced = {name: value for name, value in self.environ.items() if name != "wsgi.input_terminated"}
        return get_input_stream(announced, max_content_length=limit)


class _UpTo(LimitedStream):
    """Werkzeug's own refuses a body of exactly the limit when it is read to its end, and cuts off a longer one."""

    def on_exhausted(self) -> None:
        if self._stream.read(1):
            raise RequestEntityTooLarge

    def readall(self) -> bytes:
        body = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return body
