"""The plan of a mailing's text: its segments, and how many of them go through which gateway.

A plain text is the same for every client. A template is filled in for each client of the audience.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.gateways.text_rules import rules_of_gateways
from api.mailings.audience_rows import AudienceRows
from api.mailings.audience_texts import AudienceTexts, TextLimits, count_texts
from api.mailings.gateway_choice import GatewayChoice
from api.mailings.shares import GatewayShare, priced
from api.mailings.text_tally import Example, Fate, Outcome
from shared.domain.templates import Template
from shared.domain.text_segments import Segments, segments_of
from shared.gateways.text_rules import ANY_RULES


@dataclass(frozen=True, slots=True)
class UnsentTexts:
    """Texts that cannot be sent, as far as they were counted."""

    clients: int
    first_clients: list[int]
    """The ids of a few."""
    field: str = ""
    """The one of which the clients have no value."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The texts of a template for the clients of an audience, scaled to it if they are a sample."""

    is_sample: bool
    sample_size: int
    """The texts that were made."""
    timed_out: bool
    by_segments: list[dict[str, int]]
    """`segments` and `messages`, the fewest segments first."""
    ucs2: int
    """Messages that need UCS-2."""
    longest: Example | None
    shortest: Example | None
    missing: list[UnsentTexts]
    """By field, the most clients first."""
    too_long: UnsentTexts
    empty: UnsentTexts

    @property
    def unsent(self) -> int:
        """Clients who get no message, since there is no text for them."""
        return sum(one.clients for one in (*self.missing, self.too_long, self.empty))


@dataclass(frozen=True, slots=True)
class TextPlan:
    """The plan of a mailing's text: segments, and what goes through which gateway."""

    segments: Segments
    """Of a plain text; of a template, those of its longest example."""
    shares: list[GatewayShare]
    total_segments: int
    too_long: int
    """Messages that their gateway refuses, since the text is too long."""
    distribution: Distribution | None = None
    audience: int | None = None
    """The clients that were read, if that is the whole audience."""


def plan_plain(text: str, messages: Mapping[int, int], audience: int) -> TextPlan:
    """The plan of a plain text. `messages` are those that each gateway gets, by its id."""
    segments, rules = segments_of(text), rules_of_gateways() if messages else {}
    gateways, too_long = {}, 0
    for gateway_id, count in messages.items():
        number = rules.get(gateway_id, ANY_RULES).count_segments(text)
        if rules.get(gateway_id, ANY_RULES).refuses(text, number):
            too_long += count
        else:
            gateways[gateway_id] = Counter({number: count})
    shares = priced(gateways)
    rest = audience - sum(share.messages for share in shares) - too_long
    total = sum(share.segments for share in shares) + rest * segments.count
    return TextPlan(segments, shares, total, too_long)


def plan_template(
    template: Template,
    rows: AudienceRows,
    audience: int,
    choice: GatewayChoice,
    limits: TextLimits,
) -> TextPlan:
    """The plan of a template for an audience of about so many clients."""
    texts = count_texts(template, rows, audience, choice, limits)
    whole = None if texts.is_sample else texts.tally.texts
    outcomes = texts.tally.scaled_to(audience) if texts.is_sample else dict(texts.tally.outcomes)
    gateways: dict[int, Counter[int]] = {}
    total = 0
    for outcome, messages in _with_fate(outcomes, Fate.SENT):
        total += outcome.segments * messages
        if outcome.gateway_id is not None:
            gateways.setdefault(outcome.gateway_id, Counter())[outcome.segments] += messages
    longest = texts.tally.longest
    distribution = _distribution(texts, outcomes)
    segments = segments_of(longest.text if longest else "")
    return TextPlan(segments, priced(gateways), total, distribution.too_long.clients, distribution, whole)


def _distribution(texts: AudienceTexts, outcomes: Mapping[Outcome, int]) -> Distribution:
    tally, by_segments = texts.tally, Counter[int]()
    for outcome, messages in _with_fate(outcomes, Fate.SENT):
        by_segments[outcome.segments] += messages
    sent = sum(count for _, count in _with_fate(tally.outcomes, Fate.SENT))

    def unsent(fate: Fate) -> list[UnsentTexts]:
        found = [
            UnsentTexts(clients, sorted(tally.first[outcome]), outcome.field)
            for outcome, clients in _with_fate(outcomes, fate)
        ]
        return sorted(found, key=lambda one: (-one.clients, one.field))

    nobody = UnsentTexts(0, [])
    return Distribution(
        is_sample=texts.is_sample,
        sample_size=tally.texts,
        timed_out=texts.timed_out,
        by_segments=[{"segments": number, "messages": by_segments[number]} for number in sorted(by_segments)],
        ucs2=round(by_segments.total() * tally.ucs2 / sent) if sent else 0,
        longest=tally.longest,
        shortest=tally.shortest,
        missing=unsent(Fate.MISSING_VALUE),
        too_long=next(iter(unsent(Fate.TOO_LONG)), nobody),
        empty=next(iter(unsent(Fate.EMPTY)), nobody),
    )


def _with_fate(outcomes: Mapping[Outcome, int], fate: Fate) -> Iterable[tuple[Outcome, int]]:
    return ((outcome, count) for outcome, count in outcomes.items() if outcome.fate is fate)
