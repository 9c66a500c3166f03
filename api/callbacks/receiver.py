"""What is done with a callback: its address, its body, its rows, the commit, and then the answer."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from api.auth import rate_limiter
from api.auth.authentication import address_block
from api.callbacks import answers
from api.callbacks.answers import Answer
from api.callbacks.callable_gateways import CallableGateway, CallableGateways
from api.callbacks.group_commit import DatabaseUnavailableError, GroupCommit, UnstorableError
from shared.gateways.base import Callback, CallbackRejectedError
from shared.gateways.callback_addresses import INBOUND, RECEIPTS
from shared.gateways.receipt_rows import inbound_rows, receipt_rows
from shared.gateways.sanitize import redact
from shared.opt_out_url import OptOutAddress
from shared.sql.inbound import ADD_INBOUND
from shared.sql.receipts import ADD_RECEIPTS

log = logging.getLogger(__name__)

PREFIXES: Final = {f"/v1/{kind}/": kind for kind in (RECEIPTS, INBOUND)}

MAX_BODY: Final = 262_144
"""Bytes of a callback."""

MAX_RECEIPTS_WAITING: Final = 1_000_000
"""Receipts that wait to be applied, from which on no more are taken: workers are down, and the disk is not endless."""

RETRY_WAITING: Final = 60
"""Seconds in Retry-After then."""

LOG_INTERVAL: Final = 60.0
"""Seconds between two log records of the same event of a gateway, so that frequent callers do not fill the log."""


class BodyTooLargeError(Exception):
    """The body is larger than MAX_BODY."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one of the addresses."""

    method: str
    path: str
    """As the caller wrote it, percent-encoding included, without the query."""
    query: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    address: str
    """The address at the other end of the connection."""
    scheme: str


Answered = Callable[[Answer], None]
"""Gets the answer to a call."""


class Target(NamedTuple):
    """What the path of a call names."""

    kind: str
    gateway: str
    token: str


def target_of(path: str) -> Target | None:
    """The target of a path; None if it has none. What comes after the token is the provider's own."""
    for prefix, kind in PREFIXES.items():
        if path.startswith(prefix):
            gateway, _, rest = path.removeprefix(prefix).partition("/")
            return Target(kind, gateway, rest.partition("/")[0])
    return None


class Receiver:
    """Receives callbacks. For one event loop."""

    def __init__(
        self,
        gateways: CallableGateways,
        commits: GroupCommit,
        *,
        public_url: str,
        rate: float,
        trusted_proxies: int,
        opt_out: OptOutAddress | None = None,
    ) -> None:
        """`rate`: refused callbacks a second from one address; 0: no limit. There are no callbacks at the host of
        `opt_out`, if that is separate.
        """
        self._gateways = gateways
        self._commits = commits
        self._public_url = public_url
        self._rate = rate
        self._trusted_proxies = trusted_proxies
        self._closed_host = opt_out if opt_out and opt_out.is_separate else None
        self._logged_at: dict[tuple[str, str], float] = {}

    def forget_gateways(self) -> None:
        """Has the gateways read again before the next callback. From any thread."""
        self._gateways.forget()

    async def receive(self, call: Call, read_body: Callable[[], Awaitable[bytes]]) -> Answer:
        """The answer to a call. A success is answered only after the commit.

        `read_body` may raise BodyTooLargeError.
        """
        try:
            return await self._receive(call, read_body)
        except BodyTooLargeError:
            return answers.too_large(MAX_BODY)
        except DatabaseUnavailableError as error:
            return self._unavailable(error)

    def receive_now(self, call: Call, body: bytes, answered: Answered) -> bool:
        """Does the same for a call to a gateway that is known: `answered` is called later.

        Returns False if it may not be known, or takes none now. Then `receive` says what is to be answered.
        """
        target = target_of(call.path) if call.method in answers.METHODS and not self._is_elsewhere(call) else None
        gateway = self._gateways.find_now(*target) if target else None
        if target is None or gateway is None or self._takes_none(target.kind, gateway) or len(body) > MAX_BODY:
            return False
        self._add(call, target.kind, gateway, body, answered)
        return True

    async def _receive(self, call: Call, read_body: Callable[[], Awaitable[bytes]]) -> Answer:
        if self._is_elsewhere(call):
            return answers.not_found()
        if call.method not in answers.METHODS:
            return answers.method_not_allowed()
        target = target_of(call.path)
        gateway = await self._gateways.find(*target) if target else None
        if target is None or gateway is None:
            if seconds := self._seconds_to_wait(call):
                return answers.too_many_requests(seconds)
            gateway = await self._gateways.find_again(*target) if target else None
            if target is None or gateway is None:
                return answers.not_found()
        if answer := self._takes_none(target.kind, gateway):
            return answer
        body = await read_body()
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if not waiting.done():  # the server may have given up
                waiting.set_result(answer)

        self._add(call, target.kind, gateway, body, answered)
        return await waiting

    def _takes_none(self, kind: str, gateway: CallableGateway) -> Answer | None:
        """The answer while no callbacks can be taken."""
        if gateway.adapter is None:
            return answers.gateway_unusable()
        if kind == RECEIPTS and self._gateways.receipts_waiting > MAX_RECEIPTS_WAITING:
            self._log(logging.ERROR, "callback.too_many_wait", "", {"receipts": self._gateways.receipts_waiting})
            return answers.too_many_wait(RETRY_WAITING)
        return None

    def _add(self, call: Call, kind: str, gateway: CallableGateway, body: bytes, answered: Answered) -> None:
        """Adds what a callback says. `answered` is called later, and never before this returns."""
        rows = self._rows_or_answer(call, kind, gateway, body)
        if isinstance(rows, Answer):
            asyncio.get_running_loop().call_soon(answered, rows)
        elif rows == "[]":
            asyncio.get_running_loop().call_soon(answered, self._answer_after(None, kind, gateway))
        else:
            statement = ADD_RECEIPTS if kind == RECEIPTS else ADD_INBOUND
            self._commits.add(statement, rows, lambda error: answered(self._answer_after(error, kind, gateway)))

    def _rows_or_answer(self, call: Call, kind: str, gateway: CallableGateway, body: bytes) -> str | Answer:
        """The rows of a callback; the answer, if it has none."""
        fields = {"gateway": gateway.name, "kind": kind}
        try:
            return self._rows(call, kind, gateway, body)
        except CallbackRejectedError:
            self._log(logging.WARNING, "callback.rejected", gateway.name, fields)
            seconds = self._seconds_to_wait(call)
            return answers.too_many_requests(seconds) if seconds else answers.rejected()
        except (ValueError, RecursionError) as error:
            fault = _fault(error, gateway)
            self._log(logging.WARNING, "callback.not_understood", gateway.name, {**fields, "fault": fault})
            return answers.not_understood(fault)
        except Exception as error:  # noqa: BLE001  a bug of an adapter, which is logged
            return self._internal_error(error, kind, gateway)

    def _answer_after(self, error: BaseException | None, kind: str, gateway: CallableGateway) -> Answer:
        """The answer after the commit, or after what was instead."""
        if error is None:
            adapter = gateway.adapter
            return answers.success(adapter.receipt_answer if kind == RECEIPTS else adapter.inbound_answer)
        if isinstance(error, DatabaseUnavailableError):
            return self._unavailable(error)
        if isinstance(error, UnstorableError):
            fields = {"gateway": gateway.name, "kind": kind, "sqlstate": str(error)}
            self._log(logging.ERROR, "callback.unstorable", gateway.name, fields)
            return answers.not_understood("A value cannot be stored.")
        return self._internal_error(error, kind, gateway)

    def _unavailable(self, error: DatabaseUnavailableError) -> Answer:
        self._log(logging.WARNING, "callback.unavailable", "", {"error": str(error)})
        return answers.unavailable()

    def _internal_error(self, error: BaseException, kind: str, gateway: CallableGateway) -> Answer:
        # Its message may have values of the callback.
        hidden = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
        self._log(logging.ERROR, "callback.failed", gateway.name, {"gateway": gateway.name, "kind": kind}, hidden)
        return answers.internal_error()

    def _rows(self, call: Call, kind: str, gateway: CallableGateway, body: bytes) -> str:
        callback = Callback(
            method=call.method,
            url=self._url(call),
            headers=call.headers,
            body=body,
            received_at=datetime.now(UTC),
        )
        if kind == INBOUND:
            return inbound_rows(gateway.id, gateway.adapter.read_inbound(callback))
        receipts = gateway.adapter.read_receipts(callback)
        raw = body[:MAX_RAW_BYTES].decode("utf-8", "replace") if body else call.query[:MAX_RAW_BYTES]
        return receipt_rows(gateway.id, receipts, raw, gateway.secrets)

    def _url(self, call: Call) -> str:
        path = f"{call.path}?{call.query}" if call.query else call.path
        return f"{self._public_url or self._base(call)}{path}"

    def _base(self, call: Call) -> str:
        """The scheme and the host that the provider has called, as far as proxies say so."""
        scheme = self._forwarded(call, "x-forwarded-proto") or call.scheme
        host = self._forwarded(call, "x-forwarded-host") or call.headers.get("host", "")
        return f"{scheme}://{host}"

    def _is_elsewhere(self, call: Call) -> bool:
        """Whether a call is for the host where only pages for recipients are."""
        if self._closed_host is None:
            return False
        return self._closed_host.is_at(self._forwarded(call, "x-forwarded-host") or call.headers.get("host", ""))

    def _forwarded(self, call: Call, header: str) -> str | None:
        """What the first proxy that is trusted says; None if there is none."""
        values = [value.strip() for value in call.headers.get(header, "").split(",")]
        trusted = self._trusted_proxies
        return values[-trusted] if 0 < trusted <= len(values) else None

    def _seconds_to_wait(self, call: Call) -> int:
        """Counts a refused callback. Others are not counted, and a provider at the same address is not locked out."""
        address = self._forwarded(call, "x-forwarded-for") or call.address
        return math.ceil(rate_limiter.by_callback_address.acquire(address_block(address), self._rate))

    def _log(
        self, level: int, event: str, gateway: str, fields: Mapping[str, object], error: Exception | None = None
    ) -> None:
        now = time.monotonic()
        if now >= self._logged_at.get((event, gateway), -math.inf) + LOG_INTERVAL:
            self._logged_at[event, gateway] = now
            log.log(level, event, extra=dict(fields), exc_info=error)


MAX_RAW_BYTES: Final = 4000
"""Of a callback, from which the part is made that is kept."""


def _fault(error: Exception, gateway: CallableGateway) -> str:
    """What is wrong, in the adapter's sentence. Errors of libraries may have values of the callback."""
    if type(error) is not ValueError or not str(error).endswith("."):
        return "It does not follow the provider's contract."
    return redact(str(error), gateway.secrets)
