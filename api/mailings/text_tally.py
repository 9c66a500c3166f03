"""The texts that a template makes for the clients of an audience, counted by what becomes of them. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.domain.message_routes import apportion
from shared.domain.templates import EmptyText, MissingValue, Template, TooLong
from shared.domain.text_segments import Encoding, encoding_of
from shared.gateways.text_rules import ANY_RULES, TextRules

FIRST = 5
"""Clients that are named of those whose text cannot be sent."""

GatewayId = int | None
"""None where it is not known which gateway a message would take."""


class Fate(enum.Enum):
    """What becomes of a text."""

    SENT = "sent"
    MISSING_VALUE = "missing_value"
    """It is not sent: the client has no value of a field."""
    TOO_LONG = "too_long"
    """It is not sent: it is too long for a message, or for the gateway."""
    EMPTY = "empty"
    """It is not sent: nothing would be in it."""


class Outcome(NamedTuple):
    """What becomes of some texts."""

    fate: Fate
    gateway_id: GatewayId = None
    """Of those that are sent."""
    segments: int = 0
    """Of those that are sent."""
    field: str = ""
    """The one of which the clients have no value."""


class Example(NamedTuple):
    """The text for one client."""

    client_id: int
    text: str
    segments: int


@dataclass
class TextTally:
    """Counts the texts of a template for clients as they come."""

    template: Template
    rules: Mapping[int, TextRules] = field(default_factory=dict)
    """Those of gateways by their ids; a gateway without any has ANY_RULES."""
    texts: int = 0
    """How many were counted."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    first: dict[Outcome, list[int]] = field(default_factory=dict)
    """The ids of the first clients whose text cannot be sent, by the reason."""
    ucs2: int = 0
    """How many of those that can be sent need UCS-2."""
    longest: Example | None = None
    """The one of most segments, and among those of most characters, that can be sent."""
    shortest: Example | None = None

    def add(self, client_id: int, gateway_id: GatewayId, values: Sequence[str | None]) -> None:
        """Counts the text for a client. `values` are those of the template's fields, in their order."""
        self.texts += 1
        try:
            text = self.template.render(values)
        except MissingValue as error:
            return self._refuse(Outcome(Fate.MISSING_VALUE, field=error.name), client_id)
        except TooLong:
            return self._refuse(Outcome(Fate.TOO_LONG), client_id)
        except EmptyText:
            return self._refuse(Outcome(Fate.EMPTY), client_id)
        rules = ANY_RULES if gateway_id is None else self.rules.get(gateway_id, ANY_RULES)
        segments = rules.count_segments(text)
        if rules.refuses(text, segments):
            return self._refuse(Outcome(Fate.TOO_LONG), client_id)
        self.outcomes[Outcome(Fate.SENT, gateway_id, segments)] += 1
        self.ucs2 += encoding_of(text) is Encoding.UCS_2
        size = segments, len(text)
        if self.longest is None or size > (self.longest.segments, len(self.longest.text)):
            self.longest = Example(client_id, text, segments)
        if self.shortest is None or size < (self.shortest.segments, len(self.shortest.text)):
            self.shortest = Example(client_id, text, segments)
        return None

    def scaled_to(self, audience: int) -> dict[Outcome, int]:
        """The counts as an audience has them of which the counted texts are a sample; whole numbers that add up."""
        outcomes = list(self.outcomes)
        shares = apportion(audience, {place: self.outcomes[outcome] for place, outcome in enumerate(outcomes)})
        return {outcome: shares[place] for place, outcome in enumerate(outcomes)}

    def _refuse(self, outcome: Outcome, client_id: int) -> None:
        self.outcomes[outcome] += 1
        first = self.first.setdefault(outcome, [])
        if len(first) < FIRST:
            first.append(client_id)
