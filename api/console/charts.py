"""Plots as plain figures, for the templates to draw as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from api.workers.queries import Span

MINUTE = 60.0


class Column(NamedTuple):
    """One column of a plot: the height of each of its parts, from the bottom up, as shares of the plot's top."""

    at: datetime
    values: tuple[float, ...]
    heights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Columns of equal width, oldest first."""

    columns: Sequence[Column]
    top: float
    """What the full height stands for."""
    peak: float
    """The highest column."""
    seconds: float
    """Of one column."""
    per: float
    """Seconds of the unit of time that the figures are for: of a second, or of a minute."""


def rate_plot(spans: Iterable[Span], now: datetime, *, seconds: float, columns: int, kinds: int = 2) -> Plot:
    """How many a second there were of each kind, over the last `columns` times `seconds`."""
    counts = [[0.0] * kinds for _ in range(columns)]
    for span in spans:
        length = max(span.seconds, 0.001)
        first, last = span.ago, span.ago + length
        # Each column takes its part of the span: reports of 5 seconds don't fall evenly into columns.
        for place in range(max(0, int(first / seconds)), min(columns - 1, int(last / seconds)) + 1):
            share = (min(last, (place + 1) * seconds) - max(first, place * seconds)) / length
            for kind in range(kinds):
                counts[columns - 1 - place][kind] += span.counts[kind] * share
    starts = (now - timedelta(seconds=seconds * (columns - place)) for place in range(columns))
    return _plot(zip(starts, counts, strict=True), per=1.0, seconds=seconds)


def moments_plot(moments: Sequence[datetime], each: float, *, columns: int) -> Plot | None:
    """How many there were between the first and the last moment, each of which stands for `each`.

    At most so many columns, of a second at least. The figures are for a minute where a column is that long or less than
    one a second is the most there was, and for a second otherwise: nobody has seen 60 a minute of what took a second.
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


def _plot(counted: Iterable[tuple[datetime, list[float]]], *, per: float, seconds: float) -> Plot:
    rates = [(at, tuple(count * per / seconds for count in counts)) for at, counts in counted]
    peak = max(sum(values) for _, values in rates)
    top = round_up(peak)
    columns = [Column(at, values, tuple(value / top for value in values)) for at, values in rates]
    return Plot(columns, top, peak, seconds, per)


def round_up(value: float) -> float:
    """What an axis ends with: the next of 1, 2, 3, 4, 5, 6, 8, 10, 20, …"""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)
