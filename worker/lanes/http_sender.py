"""One thread that keeps many requests in flight at once, over kept connections.

It costs a tenth of a thread for each request: nothing waits for a lock, and responses that arrive together are read
together. Only resolving the gateway's name blocks, and has a thread of its own.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from shared.domain.results import Result
from shared.gateways.base import LookUp, LookUpResult, SubmitResult
from worker.claimed_message import AttemptResult, ClaimedMessage
from worker.http.connection import IDLE_LIMIT, HttpConnection
from worker.http.connection_maker import ConnectionMaker
from worker.http.poller import Poller
from worker.lanes.circuit_breaker import NOT_UNDERSTOOD_THRESHOLD
from worker.lanes.gateway_client import GatewayClient, Prepared, not_sent
from worker.lanes.look_up_outcomes import CANNOT_BE_ASKED, is_too_early, may_be_repeated, settled_by, with_look_up
from worker.lanes.message_sender import MessageSender, attempt, internal_error_result

MAX_ASKED = 10_000
"""Messages of which a look-up is kept at most."""

_READ = select.POLLIN
_READ_AND_WRITE = select.POLLIN | select.POLLOUT


class ActiveRequest:
    """A request in flight, or one whose connection is being made."""

    __slots__ = ("left_at", "looks_up", "message", "request", "secrets")

    def __init__(self, message: ClaimedMessage, prepared: Prepared, now: float, *, looks_up: bool) -> None:
        """`now` is the monotonic time at which the submission begins, perhaps by connecting. `looks_up`: whether it
        only asks about an earlier attempt.
        """
        self.message = message
        self.request, self.secrets = prepared
        self.looks_up = looks_up
        self.left_at = now
        """Monotonic time at which the request left; before that, at which the submission began."""


class HttpSender(MessageSender):
    """Submits messages to a gateway over HTTP."""

    def __init__(self, client: GatewayClient, limit: int, results_ready: threading.Event) -> None:
        """`limit` may be changed; `results_ready` is set whenever there is something to collect."""
        super().__init__(results_ready)
        self.limit = limit
        self._client = client
        self._timeout = client.connector.timeouts.total
        self._stopped = False
        self._failure: BaseException | None = None
        self._asked: dict[int, tuple[int, bool]] = {}
        """Messages that may be sent after a look-up and were not yet, with the attempt's number and whether they were
        not found."""
        self._active: dict[HttpConnection, ActiveRequest] = {}
        """Requests in flight by their connections, in the order in which they left."""
        self._used: list[HttpConnection] = []
        """Those whose response was read since the last poll: they may have been closed."""
        self._idle: list[HttpConnection] = []
        """The others that wait for a request, in the order of their last use."""
        self._open: dict[int, HttpConnection] = {}
        """All connections, by their file descriptors."""
        self._poller = Poller()
        self._wake_up, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._wake_up.setblocking(False)
        self._woken_fd = self._woken.fileno()
        self._poller.register(self._woken_fd, select.POLLIN)
        self._connecting: ConnectionMaker[ActiveRequest] = ConnectionMaker(
            client.connector, self._poller, self._wake, self._use_connection, self._end_unsent
        )
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
            while not self._stopped or self._active or self._connecting:
                start_at = self._start()
                self._wait(start_at)
        except BaseException as error:  # noqa: BLE001  `collect` raises it
            self._failure = error
        self._close()
        self._results_ready.set()

    def _start(self) -> float:
        """Starts the requests that may start; returns the monotonic time before which the next one may not."""
        waiting = self._waiting
        while (
            len(self._active) + len(self._connecting) < self.limit
            and self._not_understood < NOT_UNDERSTOOD_THRESHOLD
            and not self._stopped
        ):
            if self._used and not self._idle:
                return 0.0  # these may be used after the next poll
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
        except Exception as error:  # noqa: BLE001  a bug must fail one message, and not the thread for all of them
            self._end(message, internal_error_result(message, error), now)
            return
        if isinstance(prepared, SubmitResult):
            self._end(message, prepared, now)
            return
        active = ActiveRequest(message, prepared, now, looks_up=looks_up)
        while self._idle:
            connection = self._idle.pop()
            if now - connection.last_used < IDLE_LIMIT:
                self._leave(active, connection)
                return
            self._drop(connection)
        self._connecting.begin(active, now)

    def _prepare(self, message: ClaimedMessage) -> tuple[Prepared | SubmitResult, bool]:
        """What to send for a message, and whether that only asks about an earlier attempt."""
        if not message.in_doubt or self._was_asked(message):
            return self._client.prepare(message), False
        if message.is_to_be_looked_up and (asking := self._client.prepare_look_up(message)):
            return asking, True
        return CANNOT_BE_ASKED if message.must_not_be_repeated else self._client.prepare(message), False

    def _leave(self, active: ActiveRequest, connection: HttpConnection) -> None:
        """Sends a request, if its message may still leave. The time is read right before."""
        now = time.monotonic()
        if not active.message.may_leave(now):
            self._idle.append(connection)
            self._return(active.message)
            return
        active.left_at = now
        self._active[connection] = active
        connection.begin(active.request)
        if connection.is_sending:
            self._poller.modify(connection.fd, _READ_AND_WRITE)

    def _use_connection(self, active: ActiveRequest, made: HttpConnection) -> None:
        try:
            self._poller.register(made.fd, _READ)
        except OSError as error:
            made.close()
            self._end_unsent(active, error)
            return
        self._open[made.fd] = made
        self._leave(active, made)

    def _end_unsent(self, active: ActiveRequest, error: Exception) -> None:
        message = active.message
        if isinstance(error, OSError):
            result = not_sent(error)
        else:
            result = replace(internal_error_result(message, error), result=Result.UNREACHABLE)
        if active.looks_up:
            self._settle(message, LookUpResult(LookUp.UNCLEAR, reason=result.reason), active.left_at)
        else:
            self._end(message, result, active.left_at)

    def _wait(self, start_at: float) -> None:
        """Waits for events until `start_at` at most, and handles them.

        After that, no connection that was used before has been closed, as far as this system knows: one poll for all of
        them costs much less than one for each request. So no event may be left out.
        """
        self._idle += self._used
        self._used.clear()
        seconds = self._end_late(start_at)
        for fd, event in self._poller.wait(seconds, len(self._open) + len(self._connecting) + 1):
            if fd == self._woken_fd:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif (connection := self._open.get(fd)) is not None:
                self._handle(connection, event)
            elif fd in self._connecting:
                self._connecting.advance(fd)
        self._connecting.finish_resolving()

    def _end_late(self, start_at: float) -> float:
        """Ends what has taken too long. Returns the seconds until something may have again, or until `start_at`; none
        after something has ended, since other messages may start in its place.
        """
        now, next_at = time.monotonic(), start_at
        while self._active:
            connection, sent = next(iter(self._active.items()))
            if (late_at := sent.left_at + self._timeout) > now:
                next_at = min(next_at, late_at)
                break
            connection.fail(TimeoutError("timed out"))
            self._finish(connection)
            next_at = now
        next_at = min(next_at, self._connecting.end_late(now))
        while self._idle:
            if (late_at := self._idle[0].last_used + IDLE_LIMIT) > now:
                next_at = min(next_at, late_at)
                break
            self._drop(self._idle.pop(0))
        return next_at - now

    def _handle(self, connection: HttpConnection, event: int) -> None:
        if connection not in self._active:
            # Nobody asked for anything: the gateway has most likely closed it.
            if not connection.is_undisturbed():
                self._idle.remove(connection)
                self._drop(connection)
            return
        if event & select.POLLOUT:
            connection.send()
            if not connection.is_sending:
                self._poller.modify(connection.fd, _READ)
        if event & ~select.POLLOUT and connection.receive():
            self._finish(connection)

    def _finish(self, connection: HttpConnection) -> None:
        """Reads the result of a request whose exchange has ended."""
        active = self._active.pop(connection)
        message = active.message
        result: SubmitResult | LookUpResult
        try:
            read = self._client.read_look_up if active.looks_up else self._client.read
            result = read(connection.response, message, active.secrets)
        except Exception as error:  # noqa: BLE001
            result = internal_error_result(message, error)
        if connection.may_be_followed:
            connection.last_used = time.monotonic()
            self._used.append(connection)
        else:
            self._drop(connection)
        if isinstance(result, SubmitResult):
            self._end(message, result, active.left_at)
        else:
            self._settle(message, result, active.left_at)

    def _drop(self, connection: HttpConnection) -> None:
        del self._open[connection.fd]
        with contextlib.suppress(OSError):
            self._poller.unregister(connection.fd)
        connection.close()

    def _settle(self, message: ClaimedMessage, result: LookUpResult, started: float) -> None:
        """Ends an attempt that asked about an earlier one, or sends the message if that is right now."""
        not_found = result.outcome is LookUp.NOT_FOUND and not is_too_early(message, started)
        if not not_found and not may_be_repeated(message, result):
            self._end(message, settled_by(result, message), started)
            return
        self._asked[message.message_id] = message.number, not_found
        if len(self._asked) > MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        if message.may_begin(time.monotonic()):
            self._waiting.appendleft(message)
            if self._stopped:  # unless `stop` removes it now, nobody will
                with contextlib.suppress(IndexError):
                    self._return(self._waiting.popleft())
            return
        # It is claimed again for its next slot of the rate limit. A look-up takes longer than a slot, so asking each
        # time would never come to an end.
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

    def _close(self) -> None:
        self._connecting.close()
        for connection in self._open.values():
            connection.close()
        for end in (self._wake_up, self._woken):
            end.close()
