"""One thread that keeps many requests on their way at once, with libcurl's multi interface (libcurl-multi(3)).

It costs a tenth of a thread for each request: nothing waits for a lock, and what comes in together is read together.
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

from worker.answers import SubmitResult
from worker.delivery import AttemptResult, ClaimedMessage
from worker.lanes.circuit_breaker import NOT_UNDERSTOOD_IN_A_ROW
from worker.lanes.curl_transfer import Transfer
from worker.lanes.gateway_client import Gateway
from worker.lanes.message_sender import MessageSender, Start, attempt, internal_error_result, may_begin

Flight = tuple[ClaimedMessage, Transfer, tuple[str, ...], Start]
"""A request on its way: its delivery, what carries it, what must not be told of it, and its start."""


_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


def _new_poll() -> tuple[Any, float]:
    """The best there is on this system, and its unit of time: epoll(7) has poll(2)'s events, and takes seconds."""
    return (select.epoll(), 1.0) if hasattr(select, "epoll") else (select.poll(), 1000.0)


class CurlSender(MessageSender):
    """Takes deliveries and makes attempts of them."""

    def __init__(self, gateway: Gateway, limit: int, most: int, something_done: threading.Event) -> None:
        """`limit` may be changed, up to `most`; `something_done` is set whenever there is something to collect."""
        super().__init__(something_done)
        self.limit = limit
        self._gateway = gateway
        self._stopped = False
        self._failure: BaseException | None = None
        self._idle: list[Transfer] = []
        self._flying: dict[pycurl.Curl, Flight] = {}
        self._resting: set[int] = set()
        """Sockets that carry no request just now."""
        self._poll, self._second = _new_poll()
        self._multi = pycurl.CurlMulti()
        for option, value in (
            (pycurl.M_MAXCONNECTS, most),
            (pycurl.M_MAX_TOTAL_CONNECTIONS, most),
            (pycurl.M_SOCKETFUNCTION, self._watch),
        ):
            self._multi.setopt(option, value)
        self._wake_up, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._wake_up.setblocking(False)
        self._woken_fd = self._woken.fileno()
        self._poll.register(self._woken_fd, select.POLLIN)
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def submit(self, deliveries: Iterable[ClaimedMessage]) -> None:
        """Takes deliveries, first come, first served."""
        super().submit(deliveries)
        self._wake()

    def collect(self) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
        """What has been attempted, and what came back unattempted, since the last time. Does not wait.

        Raises what has ended the loop, if anything ever does: what was in flight is left to its leases.
        """
        if self._failure is not None:
            raise self._failure
        return super().collect()

    def allow_probe(self) -> None:
        """The breaker has opened: what is submitted from now on is a probe, and may start."""
        if self._not_understood:
            super().allow_probe()
            self._wake()

    def stop(self) -> list[ClaimedMessage]:
        """Starts no more requests, and takes back what has not begun. Those in flight go on."""
        self._stopped = True
        self._wake()
        return self.recall()

    def _run(self) -> None:
        try:
            while not self._stopped or self._flying:
                start_at = self._start()
                self._wait(start_at)
                self._finish()
        except BaseException as error:  # noqa: BLE001  the daemon is to hear of it
            self._failure = error
        else:
            self._close()
        self._something_done.set()

    def _start(self) -> float:
        """Starts what may start; answers the monotonic time at which the next one may, if its time is to come."""
        waiting = self._waiting
        while len(self._flying) < self.limit and self._not_understood < NOT_UNDERSTOOD_IN_A_ROW and not self._stopped:
            now = time.monotonic()
            try:
                if (start_from := waiting[0].start_from) > now:
                    return start_from
                delivery = waiting.popleft()
            except IndexError:  # there is none, or it has been recalled just now
                return math.inf
            if may_begin(delivery, now):
                self._send(delivery, now)
            else:
                self._return(delivery)
        return math.inf

    def _send(self, delivery: ClaimedMessage, now: float) -> None:
        try:
            prepared = self._gateway.prepare(delivery.message_id, delivery.phone_number, delivery.text)
            if isinstance(prepared, SubmitResult):
                self._end(delivery, prepared, now)
                return
            transfer = self._idle.pop() if self._idle else self._gateway.transfer()
            start = Start(delivery, now)
            self._gateway.begin(transfer, prepared.request, start)
        except Exception as error:  # noqa: BLE001  a bug: one message may meet it, and the loop is there for all
            self._end(delivery, internal_error_result(delivery, error), now)
            return
        self._flying[transfer.handle] = delivery, transfer, prepared.hide, start
        self._multi.add_handle(transfer.handle)

    def _wait(self, start_at: float) -> None:
        """Lets libcurl work on what the network has to say, and waits for that at most until then."""
        milliseconds = self._multi.timeout()  # negative when libcurl has nothing to wait for
        seconds = min(start_at - time.monotonic(), math.inf if milliseconds < 0 else milliseconds / 1000)
        events = self._poll.poll(None if seconds == math.inf else max(0.0, seconds) * self._second)
        for fd, event in events:
            if fd == self._woken_fd:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif fd in self._resting:
                # The gateway has closed an idle connection, and nobody waits for that.
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
        delivery, transfer, hide, start = self._flying[handle]
        answer = None
        try:
            if transfer.end(code):  # before libcurl lets go of it: afterwards, its connection is not known
                answer = self._gateway.read(transfer, hide)
        except Exception as error:  # noqa: BLE001
            answer = internal_error_result(delivery, error)
        self._multi.remove_handle(handle)
        if answer is None:
            self._multi.add_handle(handle)
            return
        del self._flying[handle]
        self._idle.append(transfer)
        if start.refused:
            self._return(delivery)
        else:
            self._end(delivery, answer, start.at)

    def _return(self, delivery: ClaimedMessage) -> None:
        self._unstarted.append(delivery)
        self._something_done.set()

    def _end(self, delivery: ClaimedMessage, answer: SubmitResult, started: float) -> None:
        self._note(answer)
        self._attempted.append(attempt(delivery, answer, started))
        if not self._something_done.is_set():
            self._something_done.set()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it has been woken more than enough, or has come to its end
            self._wake_up.send(b"!")

    def _watch(self, what: int, fd: int, *_: object) -> None:
        # A connection stays watched between two requests, which saves half of what the watching costs. Should it have
        # been closed meanwhile, and the new one been given its number, the kernel knows nothing of it.
        if what == pycurl.POLL_REMOVE:
            self._resting.add(fd)
            return
        self._resting.discard(fd)
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
