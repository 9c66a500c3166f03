"""Requests of the vendors' own clients, and of independent ones where there are none, which are compared with those of
our adapters.

Those that depend on other versions than we do are installed into .venv-gateways and run as programs; the others run
here.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from requests.adapters import HTTPAdapter

from shared.gateways.base import Submission
from tests.database import ROOT
from tests.raw_server import RawServer, Request, always, response
from tests.submit_results import Answer

PYTHON = ROOT / ".venv-gateways" / "bin" / "python"

NOT_INSTALLED = "the clients of providers are not installed: make gateways installs them and runs this"


def vendor(module: str) -> Any:
    """A module of a vendor's client, to be asked for in a test, which is skipped if the client is not installed.

    Some take seconds to import, which each process of pytest-xdist would do if they were imported with the tests.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module.partition(".")[0]:
                raise  # the client is installed, and lacks something
            pytest.skip(NOT_INSTALLED)


class VendorModule:
    """A module of a vendor's client that is imported at its first use, as `vendor` imports it."""

    def __init__(self, module: str) -> None:
        self.__dict__["_name"] = module

    def __getattr__(self, name: str) -> Any:
        return getattr(vendor(self._name), name)


@dataclass(frozen=True)
class Sent:
    """A request, as its fields and without what each library adds to it."""

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str | None
    content_type: str
    fields: Any


def sent_by_vendor(call: Callable[[str], object], status: str, answer: Mapping[str, Any]) -> Sent:
    """The request that `call` makes to a server at the given address, which gives `answer`.

    The call must not fail: the vendor's client understands the answer that our tests give our adapter.
    """
    with RawServer(always(response(status, json.dumps(answer).encode()))) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(server.url)
    [request] = server.requests
    return _read(request)


def sent_by_adapter(submission: Submission) -> Sent:
    """The request of a submission."""
    headers = {name.lower(): value for name, value in submission.headers.items()}
    return _read(Request(f"{submission.method} {submission.path} HTTP/1.1", headers, submission.body))


def request_of_client(
    program: str, answer: Answer, tls: ssl.SSLContext | None = None, authorities: Path | None = None
) -> Request:
    """The only request that a program makes which uses a client: `sys.argv[1]` is the address of a server that gives
    `answer`. The program must end well, which shows that the client understands the answer. Skips without clients."""
    if not PYTHON.exists():
        pytest.skip(NOT_INSTALLED)
    environment: Mapping[str, str] = os.environ | ({"REQUESTS_CA_BUNDLE": str(authorities)} if authorities else {})
    with RawServer(always(response(f"{answer.status} x", answer.body)), tls) as server:
        command = [str(PYTHON), "-W", "ignore", "-c", f"import sys\nurl = sys.argv[1]\n{program}", server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        [request] = server.requests
    return request


class ToServer(HTTPAdapter):
    """For clients on `requests` that know one https address only: it sends all requests to a server of the test."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """Sends it elsewhere."""
        target = urlsplit(request.url)
        request.url = f"{self._url}{target.path}" + (f"?{target.query}" if target.query else "")
        return super().send(request, *arguments, **options)


def _read(request: Request) -> Sent:
    method, target, _ = request.line.split(" ")
    parts = urlsplit(target)
    content_type = request.headers.get("content-type", "").partition(";")[0]
    fields: Any = None
    if request.body and content_type == "application/x-www-form-urlencoded":
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    elif request.body:
        fields = json.loads(request.body)
    query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    return Sent(method, parts.path, query, request.headers.get("authorization"), content_type, fields)
