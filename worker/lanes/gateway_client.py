"""The client of an HTTP gateway: prepares requests, and reads their results, including network errors.

The provider's adapter creates submissions and reads responses. The library requests prepares the headers and the
address, once for an account. worker/lanes/http_sender.py sends many requests at once over connections of worker/http/.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import (
    Adapter,
    AdapterWithLookUp,
    AdapterWithPolling,
    LookUp,
    LookUpResult,
    OutgoingMessage,
    Response,
    SentMessage,
    Submission,
    SubmitResult,
)
from shared.gateways.sanitize import reason_of, redact
from worker.http.connector import Connector, ForbiddenAddressError, Timeouts, basic_authorization

_HEADERS = {
    "User-Agent": "gonets",
    "Accept": "*/*",
    # No compression: a few bytes could decompress to gigabytes.
    "Accept-Encoding": "identity",
}

_ZONE = re.compile(r"%25[^]]*(?=])")
"""The zone of an IPv6 address, which is for this machine only (RFC 6874)."""

Prepared = tuple[bytes, tuple[str, ...]]
"""A request as it is sent, and the parts of it that must not be shown or logged."""


class Exchange(Response, Protocol):
    """A request that has begun to leave, and its response."""

    @property
    def error(self) -> OSError | None:
        """Why there is no response, or only part of one. `status` is None without complete headers."""


class GatewayClient:
    """One gateway over HTTP."""

    def __init__(
        self,
        url: str,
        adapter: Adapter,
        *,
        connect_timeout: float,
        timeout: float,
        retry_after_cap: float,
        ca_file: str | None = None,
        proxy: str | None = None,
        is_forbidden: Callable[[str], bool] | None = None,
        setting: str = "GATEWAY_URL",
    ) -> None:
        """Connects to nothing yet.

        `connect_timeout` (seconds) is for the connection, TLS included; `timeout` is for the request, up to the last
        byte of the response. `retry_after_cap` (seconds) bounds the Retry-After of the gateway. `ca_file` replaces
        the well-known certificate authorities. A `proxy` is used only if given here: the environment is not read.
        `is_forbidden` tells of an address of the network whether no connection may be made to it; behind a proxy it is
        the proxy that connects, and nothing is checked.
        `setting` is the name of the one that `url` is. Raises ConfigurationError for a setting that cannot be used.
        """
        checked = _checked_address(setting, url)
        if proxy:
            _checked_address("GATEWAY_PROXY", proxy)
        context = _tls_context(ca_file)
        self._url = url.rstrip("/")
        self._adapter = adapter
        self._retry_after_cap = retry_after_cap
        self._proxy = proxy or ""
        self._template: _Template | None = None
        self.connector = Connector(
            checked,
            self._proxy,
            context,
            Timeouts(connect_timeout, timeout),
            None if proxy else is_forbidden,
        )

    def prepare(self, message: OutgoingMessage) -> Prepared | SubmitResult:
        """The request for a message; the result, if it cannot be submitted at all.

        The same message always gives the same body, byte for byte: repeats must be identical.
        """
        submission = self._adapter.prepare(message)
        return submission if isinstance(submission, SubmitResult) else self._prepared(submission)

    def prepare_look_up(self, message: OutgoingMessage) -> Prepared | None:
        """The request that asks for a message; None if it cannot be asked for.

        Only for adapters that declare `looks_up`.
        """
        submission = cast(AdapterWithLookUp, self._adapter).prepare_look_up(message)
        return None if submission is None else self._prepared(submission)

    def read_look_up(self, exchange: Exchange, message: OutgoingMessage, secrets: tuple[str, ...]) -> LookUpResult:
        """What the gateway says about a message; UNCLEAR without a complete response."""
        if exchange.status is None or exchange.error is not None:
            return LookUpResult(LookUp.UNCLEAR, reason=_reason_of(exchange.error))
        result = cast(AdapterWithLookUp, self._adapter).read_look_up(exchange, message, secrets)
        return result if result.code else replace(result, code=str(exchange.status))

    def prepare_poll(self, messages: Collection[SentMessage]) -> Prepared | None:
        """The request that asks for the deliveries of messages; None if none of them can be asked for.

        Only for adapters that declare `polls`.
        """
        submission = cast(AdapterWithPolling, self._adapter).prepare_poll(messages)
        return None if submission is None else self._prepared(submission)

    def read(self, exchange: Exchange, message: OutgoingMessage, secrets: tuple[str, ...]) -> SubmitResult:
        """The result of a request about a message; `secrets` are masked in it."""
        response: Response = exchange
        status = exchange.status
        if status is None or exchange.error is not None:
            if status is None or 200 <= status < 300:
                return SubmitResult(
                    Result.AMBIGUOUS,
                    None if status is None else str(status),
                    _reason_of(exchange.error),
                    not_understood=status is not None,
                )
            # The status is enough: only a success depends on the body.
            response = _Head(status, exchange.headers, b"", exchange.received_at)
        result = self._adapter.read(response, message, secrets)
        if result.retry_after is not None and result.retry_after > self._retry_after_cap:
            return replace(result, retry_after=self._retry_after_cap)
        return result

    def _prepared(self, submission: Submission) -> Prepared:
        template = self._template
        if template is None or template.given is not submission.headers:
            self._template = template = self._prepare_template(submission)
        method, path, _, body, secrets = submission
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("the path of a submission must be percent-encoded")  # it would be another request
        length = f"Content-Length: {len(body)}\r\n" if method != "GET" else ""
        head = f"{method} {template.base}{path} HTTP/1.1\r\n{template.fields}{length}\r\n"
        return head.encode("latin-1") + body, secrets

    def _prepare_template(self, submission: Submission) -> _Template:
        headers = {**_HEADERS, **submission.headers}
        request = requests.Request(submission.method, f"{self._url}/", headers=headers, auth=_no_more_authentication)
        prepared = request.prepare()
        url = urlsplit(prepared.url or "")
        host = _ZONE.sub("", url.netloc.rpartition("@")[2])
        base = url.path.rstrip("/")
        fields = {"Host": host, **prepared.headers}
        if "Authorization" not in prepared.headers and (authorization := basic_authorization(self._url)):
            fields["Authorization"] = authorization
        if self._proxy and url.scheme == "http":
            base = f"http://{host}{base}"
            if authorization := basic_authorization(self._proxy):
                fields["Proxy-Authorization"] = authorization
        fields.pop("Content-Length", None)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return _Template(submission.headers, base, lines)


def _no_more_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without this, a password in the address would replace the adapter's header.
    return request


class _Template(NamedTuple):
    """What the requests of an account have in common, as the library requests has prepared it."""

    given: Mapping[str, str]
    """The headers of the submissions: those of all requests are made from them."""
    base: str
    """What precedes a path in the request line: the path of the address; for a proxy the whole address."""
    fields: str
    """The lines of the headers."""


class _Head(NamedTuple):
    """A response whose body is incomplete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


def not_sent(error: OSError) -> SubmitResult:
    """The result for a message whose connection could not be made."""
    if isinstance(error, ForbiddenAddressError):
        return SubmitResult(Result.MISCONFIGURED, reason=Reason(ReasonCode.ADDRESS_FORBIDDEN))
    return SubmitResult(Result.UNREACHABLE, reason=_reason_of(error))


def _reason_of(error: OSError | None) -> Reason:
    return reason_of(ReasonCode.CONNECTION_FAILED, redact(words_of(error)))


def words_of(error: OSError | None) -> str:
    """The message of the system, or ours; never the gateway's, which may quote the request."""
    return "" if error is None else str(error.strerror or error)


def _checked_address(setting: str, url: str) -> str:
    """The address as requests writes it. Raises ConfigurationError, without the address: it may contain a password."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        sound = parts.scheme in ("http", "https") and host and parts.port != 0 and not (parts.query or parts.fragment)
        checked = requests.Request("POST", url).prepare().url
    except (ValueError, requests.RequestException):
        sound = False
    if not sound:
        raise ConfigurationError(f"{setting}: must be an address like https://host.example:8443")
    return checked or ""


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """For TLS with the gateway and a proxy. Raises ConfigurationError for a file that cannot be used.

    Not `ssl.create_default_context`: it would reject authorities of users that have no key usage, and since Python 3.13
    other harmless ones (VERIFY_X509_STRICT).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may have an intermediate authority only
    # Anybody can end a connection. A body without a length is complete only if the gateway has ended TLS as well.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", ssl.Options(0))  # none before OpenSSL 3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(ca_file or DEFAULT_CA_BUNDLE_PATH)
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_CA_FILE: cannot use {ca_file}: {error.strerror}") from error
    return context
