"""How soon each search comes how close to the true front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.report.figures import over_seeds, points, style

#: Colour, dashes and width, the first on top. Searches that begin with the same samples lie on each
#: other for a while: a dashed line over a line over a wide one, all are seen.
_LINES: tuple[tuple[str, Any, float], ...] = (
    (style.FOUND, "-", 1.2),
    (style.BESIDE[0][0], (0, (3.5, 2.5)), 1.2),
    (style.BESIDE[1][0], "-", 1.2),
    (style.CLOUD, "-", 3.0),
    (style.BESIDE[2][0], (0, (1, 1)), 1.2),
)


def table(
    curves: pd.DataFrame,
    budget: pd.DataFrame,
    searches: Sequence[tuple[str, str]],
    *,
    task: str,
    proxy: str,
) -> pd.DataFrame:
    """Return the curves that are shown.

    Parameters
    ----------
    curves, budget
        See :func:`hanas.fronts.evaluation.convergence_table` and
        :func:`hanas.fronts.evaluation.budget_table`.
    searches
        Names and labels, in the order of the legend.
    task, proxy
        Whose curves are shown.

    Returns
    -------
    DataFrame
        ``objectives``; ``search``, its label; ``evaluations``, ``median``, ``q25``, ``q75`` and
        ``seeds``; ``ceiling``, the share of the exact front of the proxy; the floor and sources.
    """
    keys = ["task", "objectives", "proxy", "search"]
    joined = curves.merge(budget[[*keys, "ceiling"]], on=keys, validate="m:1")
    chosen = joined[((joined["task"] == task) & (joined["proxy"] == proxy)).to_numpy()]
    parts = [
        chosen[(chosen["search"] == name).to_numpy()].assign(search=label)
        for name, label in searches
    ]
    values = ["evaluations", "median", "q25", "q75", "seeds", "ceiling"]
    columns = ["objectives", "search", *values, "accuracy_floor_percent", *points.SOURCES]
    return pd.concat(parts, ignore_index=True)[columns]


def draw(plotted: pd.DataFrame, said: points.Words) -> Figure:
    """Draw what :func:`table` returns, in a panel for each set of objectives."""
    bars = "bars: quartiles, of each search in turn"
    return over_seeds.draw(
        plotted,
        lambda axes, curves: _draw_panel(axes, curves, said),
        title=f"{said.device}, {said.task}: searches with {said.proxy}",
        footer=over_seeds.footer(plotted, said, bars=bars),
        x="evaluations",
        x_label="unique evaluations",
        shares=plotted[["q25", "q75", "ceiling"]],
    )


def _draw_panel(axes: Axes, curves: pd.DataFrame, said: points.Words) -> None:
    names = list(curves["search"].unique())
    for position, search in enumerate(names):
        curve = curves[(curves["search"] == search).to_numpy()]
        colour, dashes, wide = _LINES[position % len(_LINES)]
        x, median = style.xy(curve, "evaluations", "median")
        axes.plot(
            x,
            median,
            color=colour,
            linestyle=dashes,
            linewidth=wide,
            label=search,
            zorder=3 - 0.1 * position,
        )
        # In turn, so that bars of different searches do not stand on each other.
        turn = np.arange(len(x)) % len(names) == position
        low, high = curve["q25"].to_numpy()[turn], curve["q75"].to_numpy()[turn]
        axes.vlines(x[turn], low, high, color=colour, linewidth=0.8, zorder=2)
    axes.axhline(
        float(curves["ceiling"].iloc[0]),
        color=style.INK,
        linewidth=0.7,
        label=f"exact front of {said.proxy}",
        zorder=1.5,
    )
