"""The simulated gateway's record of the requests that it received, for tests to compare with our ledger."""

import time
from array import array
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from sandbox.simulated_gateway.faults import Outcome, Reaction

SECONDS_KEPT = 3600  # of the rate; bounded, so that a gateway can run for months


class Entry(NamedTuple):
    """One request to submit. Times are seconds since the epoch by the gateway's own clock."""

    sequence: int  # grows by one with every request, also after a DELETE
    id: int  # ours; 0 if the contract has no place for it
    phone: int | None  # None: the token or the body was invalid
    body_hash: str  # sha256 of the body, or of the query if there is none, in hexadecimal
    token_ok: bool
    outcome: str
    status: int | None  # None: no complete response was sent (yet)
    started_at: float  # when the request's first byte arrived
    accepted_at: float | None  # None: the message was not accepted
    answered_at: float | None  # when the response's last byte was given to the operating system
    contract: str = "gonets"


class Summary(NamedTuple):
    """The counts since the start or the last DELETE. Always, requests = the sum of by_status + in_flight."""

    accepted: int
    distinct: int
    repeats: int
    requests: int
    by_status: dict[str, int]  # "none" counts the requests without a complete response
    in_flight: int
    max_in_flight: int
    max_per_second: int
    look_ups: int


class Ledger:
    """Every request, in the order of its last byte. A million requests take some 150 MB."""

    def __init__(self) -> None:
        self._last = 0
        self._in_flight = 0
        self.forget()

    def forget(self) -> None:
        """Clears the ledger. Requests in flight remain counted, but their results are not recorded."""
        self._rows = _Rows(self._last)
        self._accepted: set[int] = set()
        self._accepts = 0
        self._requests = self._max_in_flight = self._in_flight
        self._statuses: Counter[int] = Counter()
        self._per_second: dict[int, int] = {}
        self.look_ups = 0

    def begin(self, started_at: float) -> None:
        """Counts the start of a request."""
        self._requests += 1
        self._in_flight += 1
        if self._in_flight > self._max_in_flight:
            self._max_in_flight = self._in_flight
        second = int(started_at)
        if second not in self._per_second and len(self._per_second) >= SECONDS_KEPT:
            del self._per_second[next(iter(self._per_second))]
        self._per_second[second] = self._per_second.get(second, 0) + 1

    def record(
        self,
        msg_id: int,
        phone: int | None,
        body: bytes,
        reaction: Reaction,
        started_at: float,
        contract: str = "gonets",
    ) -> int:
        """Records the reaction to a request; returns its sequence number."""
        self._last += 1
        if reaction.accepts:
            self._accepts += 1
            self._accepted.add(msg_id)
        self._rows.append(msg_id, phone, body, reaction, started_at, contract)
        return self._last

    def end(self, sequence: int, status: int) -> None:
        """Counts the end of a request. `status` 0: no complete response; `sequence` 0: it was not recorded."""
        self._in_flight -= 1
        self._statuses[status] += 1
        if status:
            self._rows.mark_answered(sequence, status)

    def entries(self, after: int = 0, limit: int | None = None, everything: bool = False) -> Iterator[Entry]:
        """The entries with a sequence greater than `after`: the accepted ones, or everything."""
        rows = self._rows
        found = (rows.entry(row) for row in range(max(0, after - rows.base), len(rows)))
        return islice((entry for entry in found if everything or entry.accepted_at), limit)

    def entries_of(self, msg_id: int, everything: bool = False) -> list[Entry]:
        """The entries of one message."""
        found = [self._rows.entry(row) for row in self._rows.of(msg_id)]
        return [entry for entry in found if everything or entry.accepted_at]

    def summary(self) -> Summary:
        """The counts."""
        return Summary(
            accepted=self._accepts,
            distinct=len(self._accepted),
            repeats=self._accepts - len(self._accepted),
            requests=self._requests,
            by_status={str(status or "none"): count for status, count in sorted(self._statuses.items())},
            in_flight=self._in_flight,
            max_in_flight=self._max_in_flight,
            max_per_second=max(self._per_second.values(), default=0),
            look_ups=self.look_ups,
        )

    def rate(self) -> dict[int, int]:
        """How many requests started in each second since the epoch, for the last SECONDS_KEPT that had any."""
        return dict(self._per_second)


class _Rows:
    """The entries in columns: ten times smaller than objects, and not traversed by the garbage collector."""

    def __init__(self, base: int) -> None:
        self.base = base  # row 0 is sequence base + 1
        self._ids = array("q")
        self._phones = array("q")
        self._digests = bytearray()
        self._outcomes = bytearray()
        self._statuses = array("H")
        self._started = array("d")
        self._accepted = array("d")
        self._answered = array("d")
        self._contracts: list[str] = []  # references to a few strings

    def __len__(self) -> int:
        return len(self._ids)

    def append(
        self, msg_id: int, phone: int | None, body: bytes, reaction: Reaction, started_at: float, contract: str
    ) -> None:
        self._ids.append(msg_id)
        self._phones.append(phone or 0)
        self._digests += sha256(body).digest()
        self._outcomes.append(reaction.outcome)
        self._statuses.append(0)
        self._started.append(started_at)
        self._accepted.append(time.time() if reaction.accepts else 0.0)
        self._answered.append(0.0)
        self._contracts.append(contract)

    def mark_answered(self, sequence: int, status: int) -> None:
        row = sequence - self.base - 1
        if row >= 0:  # below 0: the request was cleared since, or never recorded
            self._statuses[row] = status
            self._answered[row] = time.time()

    def of(self, msg_id: int) -> Iterator[int]:
        row = -1
        while True:
            try:
                row = self._ids.index(msg_id, row + 1)
            except ValueError:
                return
            yield row

    def entry(self, row: int) -> Entry:
        outcome = Outcome(self._outcomes[row])
        return Entry(
            sequence=self.base + row + 1,
            id=self._ids[row],
            phone=self._phones[row] or None,
            body_hash=self._digests[32 * row : 32 * row + 32].hex(),
            token_ok=outcome is not Outcome.UNAUTHORIZED,
            outcome=outcome.name.lower(),
            status=self._statuses[row] or None,
            started_at=self._started[row],
            accepted_at=self._accepted[row] or None,
            answered_at=self._answered[row] or None,
            contract=self._contracts[row],
        )
