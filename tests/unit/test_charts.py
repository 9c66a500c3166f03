"""The figures that plots are drawn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.console.charts import moments_plot, rate_plot, round_up
from api.workers.queries import Span

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_a_report_is_spread_over_the_columns_that_it_lies_in() -> None:
    plot = rate_plot([Span(ago=5.0, seconds=10.0, counts=(100, 20))], NOON, seconds=10.0, columns=3)
    assert [column.values for column in plot.columns] == [(0.0, 0.0), (5.0, 1.0), (5.0, 1.0)]
    assert [column.at for column in plot.columns] == [NOON - timedelta(seconds=ago) for ago in (30, 20, 10)]
    assert plot.peak == 6.0


def test_what_lies_before_the_first_column_is_left_out() -> None:
    plot = rate_plot([Span(ago=25.0, seconds=10.0, counts=(100, 0))], NOON, seconds=10.0, columns=3)
    assert plot.columns[0].values == (5.0, 0.0)


def test_a_plot_without_data_is_a_flat_line() -> None:
    assert rate_plot([], NOON, seconds=10.0, columns=3).peak == 0.0
    assert moments_plot([], 1.0, columns=60) is None


def test_a_sample_of_times_represents_all() -> None:
    moments = [NOON + timedelta(seconds=second) for second in range(121)]
    plot = moments_plot(moments, each=10.0, columns=60)
    assert plot
    assert len(plot.columns) == 60
    assert sum(column.values[0] for column in plot.columns) * plot.seconds / plot.per == pytest.approx(1210)


def test_a_short_sending_has_few_columns() -> None:
    plot = moments_plot([NOON, NOON + timedelta(seconds=2)], each=1.0, columns=60)
    assert plot
    assert len(plot.columns) == 3


@pytest.mark.parametrize(
    ("sent", "lasts", "peak", "per"),
    [(1, 0, 1, 1), (20_000, 1, 20_000, 1), (20_000, 2, 10_000, 1), (20, 1800, 2, 60), (9000, 9000, 60, 60)],
)
def test_speed_is_told_in_units_of_time_that_passed(sent: int, lasts: float, peak: float, per: float) -> None:
    moments = [NOON + timedelta(seconds=lasts * place / sent) for place in range(sent)]
    moments += [NOON + timedelta(seconds=lasts)] if lasts else []
    plot = moments_plot(moments, 1.0, columns=60)
    assert plot
    assert plot.peak == pytest.approx(peak, rel=0.02)
    assert plot.per == per


@pytest.mark.parametrize(("peak", "top"), [(0, 1), (1, 1), (1.1, 2), (6.5, 8), (99, 100), (101, 200), (2600, 3000)])
def test_an_axis_ends_with_a_round_figure(peak: float, top: float) -> None:
    assert round_up(peak) == top
