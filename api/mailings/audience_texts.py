"""The texts of a template for the clients of an audience: all of them, or an unbiased sample of a large one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from api.bounded_reads import ReadTimeout, bounded_reads
from api.gateways.text_rules import rules_of_gateways
from api.mailings.audience_rows import AudienceRows
from api.mailings.gateway_choice import GatewayChoice
from api.mailings.text_tally import TextTally
from api.opt_out.example import example_of_next
from shared.domain.templates import Template

PAGE = 2000
"""Clients that are read at once."""

STATEMENT_SECONDS = 5.0
"""How long a statement that reads them may take."""

WHOLE_PAGES_FROM = 500_000
"""Clients in an audience of which whole pages of the table are sampled: to read every page would take seconds."""

SPARE = 1.1
"""A sample is taken so much larger than it is to be, since its size is random; the rest is not read."""


class TextLimits(NamedTuple):
    """How many texts are made at most, and for how many seconds."""

    texts: int
    seconds: float


SHOWN = TextLimits(100_000, 5.0)
"""For a plan that is shown."""

TYPED = TextLimits(5000, 1.0)
"""For one that is shown anew whenever something is typed."""

STORED_PLAN_LIMITS = TextLimits(1_000_000, 10.0)
"""For one that is compared with what is sent: the whole audience, if there is time for it."""


@dataclass(frozen=True, slots=True)
class AudienceTexts:
    """The texts of an audience, counted."""

    tally: TextTally
    is_sample: bool
    """Whether they are fewer than the audience has clients."""
    timed_out: bool
    """Whether there are fewer than were wanted, since making them took too long."""


def count_texts(
    template: Template,
    rows: AudienceRows,
    audience: int,
    choice: GatewayChoice,
    limits: TextLimits,
) -> AudienceTexts:
    """The texts for an audience of about so many clients.

    Takes little longer than STATEMENT_SECONDS and `limits.seconds`.
    """
    tally, begun = TextTally(template, rules_of_gateways()), time.monotonic()
    timed_out, percent = False, None
    if audience > limits.texts and "{sample}" in rows.source:
        percent = min(SPARE * 100 * limits.texts / audience, 100.0)
    statement = rows.statement(
        template.fields, percent=percent, whole_pages=audience > WHOLE_PAGES_FROM, limit=limits.texts + 1
    )
    bound = rows.bound(template.fields, example_of_next(template.fields, audience))
    try:
        with bounded_reads(STATEMENT_SECONDS) as connection:
            for page in _pages(connection, statement, bound):
                for client_id, phone_number, code, place, gateway_id, *values in page:
                    gateway = choice.gateway_of(phone_number, code, place) if gateway_id is None else gateway_id
                    tally.add(client_id, gateway, values)
                if time.monotonic() - begun > limits.seconds:
                    timed_out = len(page) == PAGE
                    break
    except ReadTimeout:
        timed_out = True
    is_sample = percent is not None or tally.texts > limits.texts or timed_out
    return AudienceTexts(tally, is_sample, timed_out)


def _pages(connection: Connection, statement: str, parameters: dict[str, Any]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows of a statement, PAGE at a time. Read by place, since there are a hundred thousand."""
    connection.exec_driver_sql(f"DECLARE audience_texts NO SCROLL CURSOR FOR {statement}", parameters)
    while True:
        page = connection.exec_driver_sql(f"FETCH {PAGE:d} FROM audience_texts").fetchall()
        yield page
        if len(page) < PAGE:
            return
