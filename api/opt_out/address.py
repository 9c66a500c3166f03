"""The address of the pages for recipients, in front of the application.

Recipients open OPT_OUT_URL, whatever its host and its path are. The application has the pages at one path of its own.
If the host is separate, nothing else is served there: neither the API nor the console.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from shared.domain.opt_out_links import token_in
from shared.errors import ConfigurationError
from shared.opt_out_url import OptOutAddress

OWN_PATH = "/opt-out/"
"""The path of the pages in the application, before the token."""

REACHED = "gonets.opt_out"
"""What tells the pages that a request came by OPT_OUT_URL: otherwise they are not served."""

_NO_TOKEN = "-"  # noqa: S105  what stands for the token of a path that cannot have one


class OptOutRoute:
    """Leads requests for OPT_OUT_URL to the pages, and all other requests to the application as they are."""

    def __init__(self, application: WSGIApplication, address: OptOutAddress) -> None:
        self._application = application
        self._address = address

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request (PEP 3333)."""
        address = self._address
        if address.is_at(environ.get("HTTP_HOST", "")):
            token = address.token(environ["PATH_INFO"])
            if token is not None or address.is_separate:
                environ = {
                    **environ,
                    "PATH_INFO": OWN_PATH + (token_in((token or "").lstrip("/")) or _NO_TOKEN),
                    REACHED: True,
                }
        return self._application(environ, start_response)


def check_path(address: OptOutAddress, paths: Iterable[str]) -> None:
    """Raises ConfigurationError if the path would hide another one at the same host. `paths` are all of the others."""
    if address.is_separate:
        return
    first = address.path.split("/")[1] if address.path else ""
    if not first or first in {path.split("/")[1] for path in paths if path != OWN_PATH + "<path:token>"}:
        raise ConfigurationError(
            "OPT_OUT_URL: at the host of PUBLIC_URL it must have a path that is used for nothing else, such as /u."
        )
