"""The gateway: one request for one message, and what came of it, whatever the network does.

A request is prepared, makes its way, and its exchange is read. `send` does all three here and now; who keeps many
requests on their way at once (worker/lanes/curl_sender.py) prepares and reads here, and lets libcurl do the rest.
"""

from __future__ import annotations

import enum
import errno
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from shared.domain.statuses import Outcome
from shared.errors import ConfigurationError
from worker.answers import SubmitResult, classify_response, sanitize_detail
from worker.gateway_token import Token
from worker.lanes.curl_transfer import CurlAdapter, Transfer
from worker.transport import BODY_LIMIT, Transport, at_any_time, exchange

_HEADERS = {
    "User-Agent": "gonets",
    "Content-Type": "application/json",
    "Accept": "application/json",
    # Nothing compressed: a few bytes could unpack to gigabytes.
    "Accept-Encoding": "identity",
}


class Adapter(enum.StrEnum):
    """What carries the requests."""

    LIBCURL = "libcurl"
    STANDARD = "standard"


class Exchange(Protocol):
    """A request that is over, and what it has brought."""

    @property
    def has_left(self) -> bool:
        """Whether the request has begun to leave."""

    @property
    def status(self) -> int | None:
        """None when there is no answer that tells one, but trouble."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...

    @property
    def trouble(self) -> BaseException | None:
        """Why there is no answer, or only part of one."""


class Prepared(NamedTuple):
    """A request that may go, and what of it must not be told."""

    request: requests.PreparedRequest
    hide: tuple[str, ...]


class Gateway:
    """The external sending service. Any number of threads may share one."""

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        connect_timeout: float,
        timeout: float,
        pool_size: int,
        retry_after_cap: float,
        ca_file: str | None = None,
        proxy: str | None = None,
        adapter: Adapter = Adapter.LIBCURL,
    ) -> None:
        """Connects to nothing yet.

        `connect_timeout` (seconds) is for a connection to stand, TLS included; `timeout` is for everything together,
        from the wait for a free connection to the last byte of the answer. There are never more than `pool_size`
        connections; `retry_after_cap` (seconds) bounds what the gateway may ask us to wait. `ca_file` replaces the
        well-known certificate authorities. A `proxy` is used only when it is given here: the environment has no say.
        Raises ConfigurationError for a setting that can't work.
        """
        _check_address("GATEWAY_URL", url)
        if proxy:
            _check_address("GATEWAY_PROXY", proxy)
        self._token = token
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._retry_after_cap = retry_after_cap
        self._proxies = {"all": proxy} if proxy else {}
        self._template = requests.Request("POST", f"{url.rstrip('/')}/send/", headers=_HEADERS).prepare()
        self._headers: tuple[str, CaseInsensitiveDict[str]] | None = None
        self._acceptance: bytes | None = None
        """The success body as this gateway writes it, once it has been read."""
        context = _tls_context(ca_file)  # read here in any case: a file that cannot be used is a wrong setting
        self._adapter = (
            CurlAdapter(pool_size, ca_file=ca_file, proxy=proxy)
            if adapter is Adapter.LIBCURL
            else Transport(url, pool_size, context, proxy)
        )
        self._session = _Session(self._adapter)

    def send(
        self, message_id: int, phone_number: int, text: str, may_leave: Callable[[], bool] = at_any_time
    ) -> SubmitResult:
        """Sends a message, once, and says what came of it. Raises for nothing that the network or the gateway does.

        `may_leave` is asked when the connection stands, right before the request leaves, which it does not if the
        answer is no.
        """
        prepared = self.prepare(message_id, phone_number, text)
        if isinstance(prepared, SubmitResult):
            return prepared
        return self.read(self._make(prepared.request, may_leave), prepared.hide)

    def prepare(self, message_id: int, phone_number: int, text: str) -> Prepared | SubmitResult:
        """The request for a message; the answer, if it cannot be sent at all.

        The same arguments always give the same body, byte for byte: the promise says so of a repeat.
        """
        token = self._token.value
        if self._headers is None or self._headers[0] != token:
            self._headers = token, CaseInsensitiveDict({**self._template.headers, "Authorization": f"Bearer {token}"})
        try:
            body = _encode(message_id, phone_number, text)
        except UnicodeEncodeError:  # a lone surrogate: no character, and no repeat will make it one
            return SubmitResult(Outcome.REFUSED, detail="the text cannot be encoded in UTF-8", final=True)
        # What a copy of the template would be, at a tenth of its cost.
        request = requests.PreparedRequest()
        request.method = self._template.method
        request.url = f"{self._template.url}{message_id}"
        request.headers = self._headers[1]
        request.body = body
        request.hooks = self._template.hooks
        return Prepared(request, (token, text, str(phone_number)))

    def transfer(self) -> Transfer:
        """A transfer to make requests with, at most as many at once as the pool holds."""
        if not isinstance(self._adapter, CurlAdapter):
            raise TypeError("only libcurl makes transfers")
        return self._adapter.transfer()

    def begin(
        self, transfer: Transfer, request: requests.PreparedRequest, may_leave: Callable[[], bool] = at_any_time
    ) -> None:
        """Gets a transfer ready for a request; `may_leave` as for `send`."""
        transfer.begin(request, self._connect_timeout, self._timeout, may_leave)

    def read(self, exchange: Exchange, hide: tuple[str, ...]) -> SubmitResult:
        """Says what came of a request; `hide` is masked in it."""
        status, body = exchange.status, exchange.body
        if status is None or exchange.trouble is not None:
            if status is None or 200 <= status < 300:
                # Whatever it is, what counts is whether the request had begun to leave.
                outcome = Outcome.AMBIGUOUS if exchange.has_left else Outcome.UNREACHABLE
                return SubmitResult(outcome, status, sanitize_detail(_reason(exchange.trouble or EOFError())))
            body = b""  # the status says enough: only a success needs its body to tell
        if status == 200 and body == self._acceptance:
            return ACCEPTED
        now = datetime.now(UTC)
        answer = classify_response(
            status, exchange.headers, body, now=now, retry_after_cap=self._retry_after_cap, hide=hide
        )
        if answer == ACCEPTED:
            self._acceptance = body
        return answer

    def close(self) -> None:
        """Closes the connections that are idle; one in use closes when its exchange is over."""
        self._session.close()

    def _make(self, request: requests.PreparedRequest, may_leave: Callable[[], bool]) -> Exchange:
        request.headers = CaseInsensitiveDict({**request.headers, "Content-Length": str(len(request.body or b""))})
        exchange.begin(self._connect_timeout, self._timeout, may_leave)
        try:
            # The exchange's deadline bounds every wait of the standard transport, and these are libcurl's.
            response = self._session.send(
                request,
                stream=True,
                timeout=(self._connect_timeout, self._timeout),
                proxies=self._proxies,
                allow_redirects=False,
            )
        except Exception as error:  # noqa: BLE001
            return _Exchanged(exchange.has_left, trouble=error)
        made = _Exchanged(exchange.has_left, response.status_code, response.headers)
        try:
            made.body = _read_body(response)
        except Exception as error:  # noqa: BLE001
            made.trouble = error
        finally:
            response.close()  # a connection whose answer was not read to its end is not used again
        return made


ACCEPTED = SubmitResult(Outcome.ACCEPTED, 200)


@dataclass(slots=True)
class _Exchanged:
    has_left: bool
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: BaseException | None = None


class _Session(requests.Session):
    """A session that knows nothing but the request: no cookies, no .netrc, no proxies or authorities from outside."""

    def __init__(self, transport: BaseAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("http://", transport)
        self.mount("https://", transport)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none for us. Even when it may not follow, requests would read the whole body to prepare for it."""


def _check_address(setting: str, url: str) -> None:
    """Raises ConfigurationError, without the address: it may hold a password."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        sound = parts.scheme in ("http", "https") and host and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:
        sound = False
    if not sound:
        raise ConfigurationError(f"{setting}: must be an address like https://host.example:8443")


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    # One context for all connections: it takes some 10 ms to read the authorities.
    try:
        return ssl.create_default_context(cafile=ca_file or DEFAULT_CA_BUNDLE_PATH)
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_CA_FILE: cannot use {ca_file}: {error.strerror}") from error


def _encode(message_id: int, phone_number: int, text: str) -> bytes:
    return b'{"id":%d,"phone":%d,"text":%b}' % (message_id, phone_number, _encode_text(text))


@lru_cache(maxsize=100)
def _encode_text(text: str) -> bytes:
    # A mailing has one text, and it need not be encoded anew for each client.
    return json.dumps(text, ensure_ascii=False).encode()


def _read_body(response: requests.Response) -> bytes:
    if response.status_code < 200:
        return b""  # the real answer follows; closed unread, or it would pass for the answer to the next request
    body = b""
    while chunk := response.raw.read(BODY_LIMIT + 1, decode_content=False):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise OSError(errno.EMSGSIZE, "answer too large")
    return body


def _reason(error: BaseException) -> str:
    """The error at the bottom of what requests and urllib3 make of it, in words of the system's or else by its name.

    Never in the gateway's, which may quote the request. So there is nothing in here to mask.
    """
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        error = cause
    return str(error.strerror or error) if isinstance(error, OSError) else type(error).__name__
