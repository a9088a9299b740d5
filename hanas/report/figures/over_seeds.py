"""Curves of the normalised hypervolume over the seeds of searches, a panel a set of objectives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.report.figures import points, style

_WORDS = {"latency_ms": "latency", "energy_mj": "energy"}
_SHARE = "normalised_hypervolume"


def draw(
    plotted: pd.DataFrame,
    draw_panel: Callable[[Axes, pd.DataFrame], None],
    *,
    title: str,
    footer: str,
    x: str,
    x_label: str,
    shares: Any,
) -> Figure:
    """Draw curves, in a panel for each set of objectives, all of one scale.

    Parameters
    ----------
    plotted
        ``objectives``, the column ``x`` and what ``draw_panel`` looks at.
    draw_panel
        Draws the rows of one set of objectives.
    title, footer
        Above and below all panels.
    x, x_label
        The column of the horizontal axis, which begins at 0, and its name.
    shares
        All that is drawn along the vertical axis, normalised hypervolumes.
    """
    seen = list(plotted["objectives"].unique())
    width = style.TWO_COLUMNS if len(seen) > 1 else style.ONE_COLUMN
    with style.applied():
        made = style.figure(width, 2.9, title, footer)
        panels = made.subplots(1, len(seen), sharex=True, sharey=True, squeeze=False)[0]
        for axes, objectives in zip(panels, seen, strict=True):
            draw_panel(axes, plotted[(plotted["objectives"] == objectives).to_numpy()])
            axes.set_title(f"in {objectives_in_words(objectives)}", loc="left")
            axes.set_xlabel(x_label)
        style.set_scale(panels[0], "x", [0, plotted[x].max()], x)
        style.set_scale(panels[0], "y", shares, _SHARE)
        panels[0].set_ylabel(style.more_is_better(style.label(_SHARE)))
        style.legend(made, panels[0], columns=5 if len(seen) > 1 else 3)
    return made


def footer(
    plotted: pd.DataFrame, said: points.Words, *, bars: str, before: Sequence[str] = ()
) -> str:
    """Return what lines over seeds, ``bars`` around them and 1 mean, and what comes from where."""
    fewest, most = int(plotted["seeds"].min()), int(plotted["seeds"].max())
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' * (most > 1)}"
    floor = f"{said.accuracy_floor_percent:g} %"
    sentences = [
        *before,
        f"Lines: medians of {seeds}; {bars}.",
        f"1 is the true front of all networks that reach {floor} accuracy.",
    ]
    metrics = max(plotted["objectives"], key=len).split("+")[1:]
    return points.sources(plotted, metrics, said, before=sentences)


def objectives_in_words(objectives: str) -> str:
    """Return objectives as a title names them.

    >>> objectives_in_words("error+latency_ms"), objectives_in_words("error+latency_ms+energy_mj")
    ('error and latency', 'error, latency and energy')
    """
    *names, last = (_WORDS.get(name, name) for name in objectives.split("+"))
    return f"{', '.join(names)} and {last}"
