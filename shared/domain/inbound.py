"""Putting inbound messages together of the parts that phone networks split them into.

Parts of one message have the same gateway, sender, recipient, reference and number of parts. A reference is one or two
bytes (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8), so phones use it again: a part belongs to the message that lacks it
and whose other parts came closest to it in time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

MAX_SPREAD = timedelta(hours=24)
"""Between the first and the last part of a message at most."""

MAX_WAIT = timedelta(minutes=10)
"""For the rest of a message, from its first part on. Then it is shown with what has come. An equal part that comes
within the same time is a repetition."""

MAX_OPEN = 50
"""Messages with the same reference that a part is compared with: the latest ones. With more, it would take long to
place many parts that somebody makes up."""

MISSING = "[…]"
"""What stands in a text for the parts that are missing."""

_PHONE_NUMBER = re.compile(r"(?:\+|00)?([1-9][0-9]{6,14})")
_NO_SEPARATORS = str.maketrans("", "", " \N{NO-BREAK SPACE}-.()")


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """A part of a message, as it came."""

    id: int
    part: int
    """Counted from 1."""
    text: str
    received_at: datetime
    sent_at: datetime | None = None
    inbound_message_id: int | None = None
    """The message that it has been made part of."""


@dataclass(slots=True)
class Assembly:
    """A message, or what there is of it."""

    parts: int
    """How many it has."""
    message_id: int | None = None
    """None for one that is not stored yet."""
    received: dict[int, ReceivedPart] = field(default_factory=dict)
    """By their numbers."""
    new: list[ReceivedPart] = field(default_factory=list)
    """Those that are not stored as its parts yet, repetitions included."""

    @property
    def is_complete(self) -> bool:
        """Whether no part is missing."""
        return len(self.received) == self.parts

    @property
    def received_at(self) -> datetime:
        """When its first part came."""
        return min(part.received_at for part in self.received.values())

    @property
    def sent_at(self) -> datetime | None:
        """When its first part was sent, as the provider says."""
        return min((part.sent_at for part in self.received.values() if part.sent_at is not None), default=None)

    @property
    def text(self) -> str:
        """The text, with MISSING for each run of missing parts."""
        texts = (self.received.get(number) for number in range(1, self.parts + 1))
        runs = groupby(texts, lambda part: part is None)
        return "".join(
            MISSING if is_missing else "".join(part.text for part in run if part is not None)
            for is_missing, run in runs
        )

    def is_ready(self, now: datetime) -> bool:
        """Whether it is to be stored: it is complete, stored already, or has waited for long enough."""
        return self.is_complete or self.message_id is not None or now - self.received_at >= MAX_WAIT

    def lacks(self, part: ReceivedPart) -> bool:
        """Whether a part can be one of the missing ones."""
        if part.part in self.received:
            return False
        times = [part.received_at, *(other.received_at for other in self.received.values())]
        return max(times) - min(times) <= MAX_SPREAD

    def has_equal(self, part: ReceivedPart) -> bool:
        """Whether a part is a repetition of one that came shortly before."""
        other = self.received.get(part.part)
        return other is not None and other.text == part.text and abs(part.received_at - other.received_at) <= MAX_WAIT

    def distance(self, part: ReceivedPart) -> timedelta:
        """The time between a part and the one that came closest to it."""
        return min(abs(part.received_at - other.received_at) for other in self.received.values())


def assemble(parts: int, received: Iterable[ReceivedPart], *, has_reference: bool = True) -> list[Assembly]:
    """The messages of parts that have the same sender, reference and so on; those that are stored are among them.

    Without a reference nothing distinguishes a repetition from another message with the same text.
    """
    in_order = sorted(received, key=attrgetter("received_at", "id"))
    stored: dict[int, Assembly] = {}
    for part in in_order:
        if part.inbound_message_id is not None:
            assembly = stored.setdefault(part.inbound_message_id, Assembly(parts, part.inbound_message_id))
            assembly.received.setdefault(part.part, part)
    found = list(stored.values())
    for part in in_order:
        if part.inbound_message_id is None:
            _place(part, parts, found, has_reference)
    return found


def _place(part: ReceivedPart, parts: int, found: list[Assembly], has_reference: bool) -> None:
    if parts > 1:
        latest = found[-MAX_OPEN:]
        if has_reference:
            for assembly in latest:
                if assembly.has_equal(part):
                    assembly.new.append(part)
                    return
        lacking = [assembly for assembly in latest if assembly.lacks(part)]
        if lacking:
            closest = min(lacking, key=lambda assembly: assembly.distance(part))
            closest.received[part.part] = part
            closest.new.append(part)
            return
    found.append(Assembly(parts, received={part.part: part}, new=[part]))


def sender_phone_number(sender: str) -> int | None:
    """The digits of a sender that is a phone number, with or without separators; None for a name or a short code.

    Nothing is added to them: a national number, which may be another person's in international form, matches nobody
    who has a different one.
    """
    found = _PHONE_NUMBER.fullmatch(sender.strip().translate(_NO_SEPARATORS))
    return None if found is None else int(found[1])
