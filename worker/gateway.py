"""The gateway: one request for one message, and what came of it, whatever the network does."""

from __future__ import annotations

import errno
import json
import ssl
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from shared.errors import ConfigurationError
from shared.ledger import Outcome
from worker.answers import Answer, one_line, read_answer
from worker.token import Token
from worker.transport import Transport, exchange

BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are read. The success body has 27; what is this much longer is no answer to us."""

_HEADERS = {
    "User-Agent": "gonets",
    "Content-Type": "application/json",
    "Accept": "application/json",
    # Nothing compressed: a few bytes could unpack to gigabytes.
    "Accept-Encoding": "identity",
}


class Gateway:
    """Sends messages to the external sending service. Any number of threads may share one."""

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
        self._session = _Session(Transport(url, pool_size, _tls_context(ca_file), proxy))

    def send(self, message_id: int, phone_number: int, text: str) -> Answer:
        """Sends a message, once, and says what came of it. Raises for nothing that the network or the gateway does.

        The same arguments always give the same body, byte for byte: the promise says so of a repeat.
        """
        token = self._token.value
        hide = (token, text, str(phone_number))
        try:
            body = _encode(message_id, phone_number, text)
        except UnicodeEncodeError:  # a lone surrogate: no character, and no repeat will make it one
            return Answer(Outcome.REFUSED, detail="the text cannot be encoded in UTF-8", final=True)
        exchange.begin(self._connect_timeout, self._timeout)
        try:
            return self._exchange(self._request(message_id, body, token), hide)
        except Exception as error:  # noqa: BLE001  whatever it is, what counts is whether the request had begun to leave
            outcome = Outcome.AMBIGUOUS if exchange.has_left else Outcome.UNREACHABLE
            return Answer(outcome, detail=one_line(_reason(error)))

    def close(self) -> None:
        """Closes the connections that are idle; one in use closes when its exchange is over."""
        self._session.close()

    def _request(self, message_id: int, body: bytes, token: str) -> requests.PreparedRequest:
        request = self._template.copy()
        request.url = f"{request.url}{message_id}"
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    def _exchange(self, request: requests.PreparedRequest, hide: tuple[str, ...]) -> Answer:
        # The exchange's deadline bounds every wait; a timeout is passed only because none would mean "for ever".
        response = self._session.send(
            request, stream=True, timeout=self._timeout, proxies=self._proxies, allow_redirects=False
        )
        status = response.status_code
        try:
            body = _read_body(response)
        except Exception as error:  # noqa: BLE001
            if 200 <= status < 300:
                return Answer(Outcome.AMBIGUOUS, status, one_line(_reason(error)))
            body = b""  # the status says enough: only a success needs its body to tell
        finally:
            response.close()  # a connection whose answer was not read to its end is not used again
        now = datetime.now(UTC)
        return read_answer(status, response.headers, body, now=now, retry_after_cap=self._retry_after_cap, hide=hide)


class _Session(requests.Session):
    """A session that knows nothing but the request: no cookies, no .netrc, no proxies or authorities from outside."""

    def __init__(self, transport: Transport) -> None:
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
    body = {"id": message_id, "phone": phone_number, "text": text}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


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
