"""The messages that the simulated providers have taken, by id: for look-ups, for repeats, and for tests to read."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

MAX_IDS = 100_000
"""The oldest are dropped beyond that: some 60 MB."""


class KeptMessage(NamedTuple):
    """A message as the provider took it."""

    contract: str
    id: str
    """The provider's id, which is ours where the contract lets the client choose it."""
    to: str
    """As in the request."""
    sender: str
    text: str
    """Decoded, as the recipient would read it."""
    taken_at: float
    """Seconds since the epoch, by the provider's clock."""
    account: str = ""
    """Whose it is, where the contract names the account in the request."""
    batch: str = ""
    """The provider's id of the request, if its contract has one."""
    receipt_url: str = ""
    """Where its client wants its delivery reported."""
    reference: str = ""
    """Our id, if the contract has a field for it and returns it."""


class KeptMessages:
    """Every message that was taken, also when its id was taken before."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[tuple[str, str], list[KeptMessage]] = OrderedDict()
        self._requests: OrderedDict[str, float] = OrderedDict()

    def forget(self) -> None:
        """Drops everything."""
        self._by_id.clear()
        self._requests.clear()

    def add(self, message: KeptMessage) -> None:
        """Keeps a message."""
        self._by_id.setdefault((message.contract, message.id), []).append(message)
        if len(self._by_id) > MAX_IDS:
            self._by_id.popitem(last=False)

    def of(self, contract: str, message_id: str) -> list[KeptMessage]:
        """What was taken under an id, the oldest first; several, if the contract does not refuse repeats."""
        return list(self._by_id.get((contract, message_id), ()))

    def all_of(self, contract: str | None = None) -> Iterator[KeptMessage]:
        """Everything that was taken under a contract, or under any, in the order of the ids' first messages."""
        for (of_contract, _), messages in list(self._by_id.items()):
            if contract in (None, of_contract):
                yield from messages

    def note_request(self, fingerprint: str, now: float) -> None:
        """Keeps the time of a request, for contracts that refuse equal ones."""
        self._requests[fingerprint] = now
        self._requests.move_to_end(fingerprint)
        if len(self._requests) > MAX_IDS:
            self._requests.popitem(last=False)

    def requested_at(self, fingerprint: str) -> float | None:
        """When the last equal request was taken."""
        return self._requests.get(fingerprint)
