"""Plots as SVG, beside the results; readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE = {
    "svg.hashsalt": "gonets",  # the same figures give the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.facecolor": "white",
}
SIZE = (7.5, 3.6)
"""Inches."""
ACCENT, QUIET = "#d9480f", "#868e96"


Draw = Callable[[Path], str]
"""Draws a plot into a folder, and answers the file's name."""
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""By title: where across, and how high."""


def bars(name: str, values: Mapping[str, float], label: str, ours: str) -> Draw:
    """Horizontal bars, the longest first; those whose title begins with `ours` stand out."""

    def draw(folder: Path) -> str:
        figure, axes = plt.subplots(figsize=(SIZE[0], 0.6 + 0.34 * len(values)))
        ordered = sorted(values.items(), key=lambda item: item[1])
        titles, lengths = [title for title, _ in ordered], [value for _, value in ordered]
        colours = [ACCENT if title.startswith(ours) else QUIET for title in titles]
        axes.bar_label(axes.barh(titles, lengths, color=colours), fmt="{:,.0f}", padding=3)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        return _saved(figure, folder, name)

    return _in_style(draw)


def lines(
    name: str,
    series: Series,
    labels: tuple[str, str],
    *,
    logarithmic: bool = False,
    reference: str = "",
    second: Series | None = None,
    second_label: str = "",
) -> Draw:
    """Lines over a common axis; the one called `reference` is dashed, `second` has a panel of its own below."""

    def draw(folder: Path) -> str:
        count = 2 if second else 1
        size = (SIZE[0], SIZE[1] * (1 + 0.6 * (count - 1)))
        figure, panels = plt.subplots(count, 1, figsize=size, sharex=True, squeeze=False)
        _draw(panels[0][0], series, labels[1], reference)
        if second:
            _draw(panels[1][0], second, second_label, reference)
        panels[-1][0].set_xlabel(labels[0])
        if logarithmic:
            panels[-1][0].set_xscale("log")
        else:
            panels[-1][0].xaxis.get_major_locator().set_params(integer=True)
        return _saved(figure, folder, name)

    return _in_style(draw)


def _in_style(draw: Draw) -> Draw:
    def styled(folder: Path) -> str:
        with mpl.rc_context(STYLE):
            return draw(folder)

    return styled


def _draw(axes: Axes, series: Series, label: str, reference: str) -> None:
    for title, (across, up) in series.items():
        dashed = title == reference
        marker = "" if dashed or len(across) > 40 else "o"
        axes.plot(across, up, "--" if dashed else "-", marker=marker, label=title, color=QUIET if dashed else None)
    axes.set_ylabel(label)
    highest = max(max(up) for _, up in series.values())
    axes.set_ylim(0, 1.2 * highest or 1)
    axes.yaxis.set_major_formatter("{x:,.1f}" if highest < 10 else "{x:,.0f}")
    axes.legend(frameon=False)


def _saved(figure: Figure, folder: Path, name: str) -> str:
    file = f"{name}.svg"
    figure.savefig(folder / file, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return file
