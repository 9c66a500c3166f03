"""The data of charts, which templates draw as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from api.workers.queries import Span

MINUTE = 60.0
TIMELINE_COLUMNS = 60


class Column(NamedTuple):
    """One column of a plot: the height of each of its parts, from the bottom up, as fractions of the plot's height."""

    at: datetime
    values: tuple[float, ...]
    heights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Columns of equal width, oldest first."""

    columns: Sequence[Column]
    top: float
    """The value of the full height."""
    peak: float
    """The highest column."""
    seconds: float
    """Of one column."""
    per: float
    """Seconds of the rate's time unit: 1 or 60."""


class Timeline(NamedTuple):
    """How fast the messages of a mailing were sent."""

    plot: Plot
    exact: bool
    """Whether `plot` is of all messages; otherwise it is estimated from a sample."""


def rate_plot(spans: Iterable[Span], now: datetime, *, seconds: float, columns: int, kinds: int = 2) -> Plot:
    """The rate a second of each kind, over the last `columns` times `seconds`."""
    counts = [[0.0] * kinds for _ in range(columns)]
    for span in spans:
        length = max(span.seconds, 0.001)
        first, last = span.ago, span.ago + length
        # A span is divided among the columns that it overlaps.
        for place in range(max(0, int(first / seconds)), min(columns - 1, int(last / seconds)) + 1):
            share = (min(last, (place + 1) * seconds) - max(first, place * seconds)) / length
            for kind in range(kinds):
                counts[columns - 1 - place][kind] += span.counts[kind] * share
    starts = (now - timedelta(seconds=seconds * (columns - place)) for place in range(columns))
    return _plot(zip(starts, counts, strict=True), per=1.0, seconds=seconds)


def moments_plot(moments: Sequence[datetime], each: float, *, columns: int) -> Plot | None:
    """The rate between the first and the last of these times, each of which counts as `each` messages.

    At most `columns` columns, of at least a second each. Rates are per minute if a column is at least that long or the
    highest rate is below one a second, and per second otherwise: a minute would be wrong for what took a second.
    """
    if not moments:
        return None
    first, last = min(moments), max(moments)
    lasted = (last - first).total_seconds()
    seconds = max(lasted / columns, 1.0)
    columns = min(columns, int(lasted / seconds) + 1)
    counts = [[0.0] for _ in range(columns)]
    for moment in moments:
        counts[min(columns - 1, int((moment - first).total_seconds() / seconds))][0] += each
    starts = (first + timedelta(seconds=seconds * place) for place in range(columns))
    fast = max(count for (count,) in counts) >= seconds and seconds < MINUTE
    return _plot(zip(starts, counts, strict=True), per=1.0 if fast else MINUTE, seconds=seconds)


def timeline(moments: Sequence[datetime], sent: int) -> Timeline | None:
    """How fast the messages of a mailing were sent, from the first to the last; none before the first.

    `moments` are the times of some or all of the `sent` messages.
    """
    plot = moments_plot(moments, sent / len(moments) if moments else 0.0, columns=TIMELINE_COLUMNS)
    return Timeline(plot, exact=sent <= len(moments)) if plot else None


def _plot(counted: Iterable[tuple[datetime, list[float]]], *, per: float, seconds: float) -> Plot:
    rates = [(at, tuple(count * per / seconds for count in counts)) for at, counts in counted]
    peak = max(sum(values) for _, values in rates)
    top = round_up(peak)
    columns = [Column(at, values, tuple(value / top for value in values)) for at, values in rates]
    return Plot(columns, top, peak, seconds, per)


def round_up(value: float) -> float:
    """The end of an axis: the next of 1, 2, 3, 4, 5, 6, 8, 10, 20, …"""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)
