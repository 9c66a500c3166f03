"""The callbacks of the simulated providers: what they are, and the record of them and of their answers."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

MAX_CALLBACKS = 100_000
"""The oldest are dropped beyond that."""


class CallbackRequest(NamedTuple):
    """A request to the client's address, in the words of a contract."""

    method: str
    url: str
    content_type: str = ""
    body: str = ""
    code: str | None = None
    """The provider's code in it."""
    at: float | None = None
    """The time in it, in seconds since the epoch; None if the contract has no place for one."""


class MadeCallback(NamedTuple):
    """A callback: a receipt, or the message of a recipient."""

    sequence: int
    kind: str
    """`receipt` or `inbound`."""
    contract: str
    about: str
    """`own`; `foreign`: of no message of this provider; `forged`: it must be refused."""
    address: str
    """As the submission named it, query included."""
    request: CallbackRequest
    headers: Mapping[str, str]
    """Those that replace what the contract signs with; only of forged ones."""
    message_id: str = ""
    """The provider's id of the message that it names."""
    to: str = ""
    state: str = ""
    reason: str | None = None
    part: int | None = None
    parts: int | None = None


class CallbackAnswer(NamedTuple):
    """The answer to a callback."""

    sequence: int
    status: int | None
    """None: there was none."""
    answered_at: float

    @property
    def is_success(self) -> bool:
        """Whether the callback is not repeated."""
        return self.status is not None and 200 <= self.status < 300


class CallbackEntry(NamedTuple):
    """A callback, and what came of it so far."""

    callback: MadeCallback
    calls: int
    status: int | None
    """Of the last answer."""
    acknowledged_at: float | None
    """When it was answered with a success first."""


class CallbackSummary(NamedTuple):
    """The counts since the start or the last DELETE."""

    callbacks: int
    acknowledged: int
    """Answered with a success."""
    calls: int
    """Requests, repeats included."""
    forged: int
    forged_accepted: int
    """Must stay 0."""
    by_status: dict[str, int]
    """Of all answers; "none" counts the requests without one."""
    waiting: int
    """Callbacks that will still be made, or made again."""


class CallbackLedger:
    """Every callback. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._entries: OrderedDict[int, CallbackEntry] = OrderedDict()
        self._calls = 0
        self._statuses: Counter[int] = Counter()

    def forget(self) -> None:
        """Clears everything but the sequence."""
        with self._lock:
            self._entries.clear()
            self._statuses.clear()
            self._calls = 0

    def next_sequence(self) -> int:
        """A number that no other callback has."""
        with self._lock:
            self._last += 1
            return self._last

    def add(self, callback: MadeCallback) -> None:
        """Records a callback that will be made."""
        with self._lock:
            self._last = max(self._last, callback.sequence)
            self._entries[callback.sequence] = CallbackEntry(callback, 0, None, None)
            if len(self._entries) > MAX_CALLBACKS:
                self._entries.popitem(last=False)

    def answered(self, answer: CallbackAnswer) -> bool:
        """Records an answer. Returns whether the callback has not been forgotten meanwhile."""
        with self._lock:
            self._calls += 1
            self._statuses[answer.status or 0] += 1
            entry = self._entries.get(answer.sequence)
            if entry is None:
                return False
            at = entry.acknowledged_at or (answer.answered_at if answer.is_success else None)
            self._entries[answer.sequence] = CallbackEntry(entry.callback, entry.calls + 1, answer.status, at)
            return True

    def entries(self, after: int = 0) -> list[CallbackEntry]:
        """Those with a sequence greater than `after`, in their order."""
        with self._lock:
            return [entry for sequence, entry in self._entries.items() if sequence > after]

    def summary(self, waiting: int) -> CallbackSummary:
        """The counts; the number of those that wait is the sender's."""
        entries = self.entries()
        forged = [entry for entry in entries if entry.callback.about == "forged"]
        with self._lock:
            by_status = {str(status or "none"): count for status, count in sorted(self._statuses.items())}
        return CallbackSummary(
            callbacks=len(entries),
            acknowledged=sum(entry.acknowledged_at is not None for entry in entries),
            calls=self._calls,
            forged=len(forged),
            forged_accepted=sum(entry.acknowledged_at is not None for entry in forged),
            by_status=by_status,
            waiting=waiting,
        )
