"""One thread that keeps many requests in flight at once, with libcurl's multi interface (libcurl-multi(3)).

It costs a tenth of a thread for each request: nothing waits for a lock, and responses that arrive together are read
together.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import pycurl

from shared.gateways.base import LookUp, LookUpResult, SubmitResult
from worker.claimed_message import AttemptResult, ClaimedMessage
from worker.lanes.circuit_breaker import NOT_UNDERSTOOD_THRESHOLD
from worker.lanes.curl_transfer import CurlTransfer
from worker.lanes.gateway_client import GatewayClient, Prepared
from worker.lanes.look_up_outcomes import CANNOT_BE_ASKED, is_too_early, may_be_repeated, settled_by, with_look_up
from worker.lanes.message_sender import MessageSender, attempt, internal_error_result


class ActiveRequest:
    """A request in flight."""

    __slots__ = ("left_at", "looks_up", "message", "refused", "secrets", "transfer")

    def __init__(
        self, message: ClaimedMessage, transfer: CurlTransfer, secrets: tuple[str, ...], now: float, *, looks_up: bool
    ) -> None:
        """`now` is the monotonic time at which the submission begins, perhaps by connecting. `looks_up`: whether it
        only asks about an earlier attempt.
        """
        self.message = message
        self.transfer = transfer
        self.secrets = secrets
        self.looks_up = looks_up
        self.left_at = now
        """Monotonic time at which the request left; before that, at which the submission began."""
        self.refused = False
        """Whether the message was not allowed to leave any more: the request is not sent."""

    def may_leave(self) -> bool:
        """Whether it still may, right before the request leaves. Keeps the time."""
        now = time.monotonic()
        if self.message.may_leave(now):
            self.left_at = now
            return True
        self.refused = True
        return False


MAX_ASKED = 10_000
"""Messages of which a look-up is kept at most."""

_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


def _new_poll() -> tuple[Any, float]:
    """The best polling object of this system, and its units per second: epoll(7) has poll(2)'s events, and takes
    seconds."""
    return (select.epoll(), 1.0) if hasattr(select, "epoll") else (select.poll(), 1000.0)


class CurlSender(MessageSender):
    """Submits messages to a gateway over HTTP."""

    def __init__(self, client: GatewayClient, limit: int, max_limit: int, results_ready: threading.Event) -> None:
        """`limit` may be changed, up to `max_limit`; `results_ready` is set whenever there is something to collect."""
        super().__init__(results_ready)
        self.limit = limit
        self._client = client
        self._stopped = False
        self._failure: BaseException | None = None
        self._idle: list[CurlTransfer] = []
        self._active: dict[pycurl.Curl, ActiveRequest] = {}
        self._asked: dict[int, tuple[int, bool]] = {}
        """Messages that may be sent after a look-up and were not yet, with the attempt's number and whether they were
        not found."""
        self._idle_sockets: set[int] = set()
        """Sockets without a request."""
        self._poll, self._second = _new_poll()
        self._multi = pycurl.CurlMulti()
        for option, value in (
            (pycurl.M_MAXCONNECTS, max_limit),
            (pycurl.M_MAX_TOTAL_CONNECTIONS, max_limit),
            (pycurl.M_SOCKETFUNCTION, self._watch),
        ):
            self._multi.setopt(option, value)
        self._wake_up, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._wake_up.setblocking(False)
        self._woken_fd = self._woken.fileno()
        self._poll.register(self._woken_fd, select.POLLIN)
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def submit(self, messages: Iterable[ClaimedMessage]) -> None:
        """Queues messages, in the order of submission."""
        super().submit(messages)
        self._wake()

    def collect(self) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
        """The attempts and the unattempted messages since the last call. Does not wait.

        Raises the error that ended the thread, if there is one: messages in flight stay leased until they expire.
        """
        if self._failure is not None:
            raise self._failure
        return super().collect()

    def allow_probe(self) -> None:
        """To be called once the circuit breaker has opened: the next message is a probe, and may start."""
        if self._not_understood:
            super().allow_probe()
            self._wake()

    def stop(self) -> list[ClaimedMessage]:
        """Starts no more requests, and returns the waiting messages. Those in flight continue."""
        self._stopped = True
        self._wake()
        return self.remove_queued()

    def _run(self) -> None:
        try:
            while not self._stopped or self._active:
                start_at = self._start()
                self._wait(start_at)
                self._finish()
        except BaseException as error:  # noqa: BLE001  `collect` raises it
            self._failure = error
        else:
            self._close()
        self._results_ready.set()

    def _start(self) -> float:
        """Starts the requests that may start; returns the monotonic time before which the next one may not."""
        waiting = self._waiting
        while len(self._active) < self.limit and self._not_understood < NOT_UNDERSTOOD_THRESHOLD and not self._stopped:
            now = time.monotonic()
            try:
                if (start_from := waiting[0].start_from) > now:
                    return start_from
                message = waiting.popleft()
            except IndexError:  # empty, or emptied by the other thread
                return math.inf
            if message.may_begin(now):
                self._send(message, now)
            else:
                self._return(message)
        return math.inf

    def _send(self, message: ClaimedMessage, now: float) -> None:
        try:
            prepared, looks_up = self._prepare(message)
            if isinstance(prepared, SubmitResult):
                self._end(message, prepared, now)
                return
            request, secrets = prepared
            transfer = self._idle.pop() if self._idle else self._client.transfer()
            active = ActiveRequest(message, transfer, secrets, now, looks_up=looks_up)
            transfer.begin(request, active.may_leave)
        except Exception as error:  # noqa: BLE001  a bug must fail one message, and not the thread for all of them
            self._end(message, internal_error_result(message, error), now)
            return
        self._active[transfer.handle] = active
        self._multi.add_handle(transfer.handle)

    def _prepare(self, message: ClaimedMessage) -> tuple[Prepared | SubmitResult, bool]:
        """What to send for a message, and whether that only asks about an earlier attempt."""
        if not message.in_doubt or self._was_asked(message):
            return self._client.prepare(message), False
        if message.is_to_be_looked_up and (asking := self._client.prepare_look_up(message)):
            return asking, True
        return CANNOT_BE_ASKED if message.must_not_be_repeated else self._client.prepare(message), False

    def _wait(self, start_at: float) -> None:
        """Waits for events until `start_at` at most, and lets libcurl handle them."""
        milliseconds = self._multi.timeout()  # negative when libcurl has nothing to wait for
        seconds = min(start_at - time.monotonic(), math.inf if milliseconds < 0 else milliseconds / 1000)
        events = self._poll.poll(None if seconds == math.inf else max(0.0, seconds) * self._second)
        for fd, event in events:
            if fd == self._woken_fd:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif fd in self._idle_sockets:
                # The gateway has closed an idle connection: no request is affected.
                with contextlib.suppress(OSError, KeyError):
                    self._poll.unregister(fd)
            else:
                reads = pycurl.CSELECT_IN if event & ~select.POLLOUT else 0
                self._multi.socket_action(fd, reads | (pycurl.CSELECT_OUT if event & select.POLLOUT else 0))
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _finish(self) -> None:
        more = 1
        while more:
            more, good, bad = self._multi.info_read()
            for handle in good:
                self._finish_one(handle, pycurl.E_OK)
            for handle, code, _ in bad:
                self._finish_one(handle, code)

    def _finish_one(self, handle: pycurl.Curl, code: int) -> None:
        active = self._active[handle]
        message, transfer = active.message, active.transfer
        result: SubmitResult | LookUpResult | None = None
        try:
            if transfer.end(code):  # before it is removed: afterwards, its connection is not known
                read = self._client.read_look_up if active.looks_up else self._client.read
                result = read(transfer, message, active.secrets)
        except Exception as error:  # noqa: BLE001
            result = internal_error_result(message, error)
        self._multi.remove_handle(handle)
        if result is None:
            self._multi.add_handle(handle)
            return
        del self._active[handle]
        self._idle.append(transfer)
        if active.refused:
            self._return(message)
        elif isinstance(result, SubmitResult):
            self._end(message, result, active.left_at)
        else:
            self._settle(message, result, active.left_at)

    def _settle(self, message: ClaimedMessage, result: LookUpResult, started: float) -> None:
        """Ends an attempt that asked about an earlier one, or sends the message if that is right now."""
        not_found = result.outcome is LookUp.NOT_FOUND and not is_too_early(message, started)
        if not not_found and not may_be_repeated(message, result):
            self._end(message, settled_by(result, message), started)
            return
        self._asked[message.message_id] = message.number, not_found
        if message.may_begin(time.monotonic()):
            self._send(message, time.monotonic())
            return
        # It is claimed again for its next slot of the rate limit. A look-up takes longer than a slot, so asking each
        # time would never come to an end.
        if len(self._asked) > MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        self._return(message)

    def _was_asked(self, message: ClaimedMessage) -> bool:
        """Whether a look-up has permitted to send a message in doubt. With the same number, none was sent since."""
        number, not_found = self._asked.pop(message.message_id, (0, False))
        if number != message.number:
            return False
        message.was_not_found = not_found
        message.in_doubt = message.in_doubt and not not_found
        return True

    def _return(self, message: ClaimedMessage) -> None:
        self._unstarted.append(message)
        self._results_ready.set()

    def _end(self, message: ClaimedMessage, result: SubmitResult, started: float) -> None:
        self._count_not_understood(result)
        if message.was_not_found:
            result = with_look_up(result)
        self._attempted.append(attempt(message, result, started))
        if not self._results_ready.is_set():
            self._results_ready.set()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the buffer is full of wake-ups, or the thread has ended
            self._wake_up.send(b"!")

    def _watch(self, what: int, fd: int, *_: object) -> None:
        # A connection stays registered between two requests, which saves half of the cost. If it was closed meanwhile,
        # and a new one has its descriptor number, that one is not registered yet.
        if what == pycurl.POLL_REMOVE:
            self._idle_sockets.add(fd)
            return
        self._idle_sockets.discard(fd)
        try:
            self._poll.modify(fd, _EVENTS[what])
        except FileNotFoundError:
            self._poll.register(fd, _EVENTS[what])

    def _close(self) -> None:
        for transfer in self._idle:
            transfer.close()
        self._multi.close()
        for end in (self._wake_up, self._woken):
            end.close()
