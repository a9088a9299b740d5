"""What training the layers behind a predicted front brings, over what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.report.figures import over_seeds, points, style

_COLOURS = (style.FOUND, *(colour for colour, _ in style.BESIDE), style.CLOUD)
#: Of the first proxies, of those for which the colours begin anew, and so on.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def table(
    curves: pd.DataFrame, proxies: Sequence[tuple[str, str]], *, task: str, search: str
) -> pd.DataFrame:
    """Return the curves that are shown.

    Parameters
    ----------
    curves
        See :func:`hanas.fronts.peeled_runs.curve_table`.
    proxies
        Names and labels, in the order of the legend. A label that several have is shown with their
        names.
    task, search
        Whose curves are shown.

    Returns
    -------
    DataFrame
        ``objectives``; ``proxy``, its label; ``trained_architectures``, ``median``, ``q25``,
        ``q75``, ``stopped_at``, ``stopped_with`` and ``seeds``; the floor and sources.
    """
    chosen = curves[((curves["task"] == task) & (curves["search"] == search)).to_numpy()]
    labels = [label for _, label in proxies]
    parts = [
        chosen[(chosen["proxy"] == name).to_numpy()].assign(
            proxy=label if labels.count(label) == 1 else f"{label} ({name})"
        )
        for name, label in proxies
    ]
    values = ["trained_architectures", "median", "q25", "q75", "stopped_at", "stopped_with"]
    columns = ["objectives", "proxy", *values, "seeds", "accuracy_floor_percent", *points.SOURCES]
    return pd.concat(parts, ignore_index=True)[columns]


def draw(plotted: pd.DataFrame, said: points.Words, search: str) -> Figure:
    """Draw what :func:`table` returns, in a panel for each set of objectives."""
    proxies = plotted.drop_duplicates("proxy")
    others = proxies.iloc[1:][["proxy", "proxy_source"]].itertuples(index=False)
    first = (
        "A line begins where all seeds have trained their predicted fronts; dots: medians of where "
        "peeling stops and of what it has by then."
    )
    footer = over_seeds.footer(
        plotted,
        replace(said, proxy=str(proxies["proxy"].iloc[0])),
        bars="bands: quartiles",
        before=[first],
    )
    return over_seeds.draw(
        plotted,
        _draw_panel,
        title=f"{said.device}, {said.task}: fronts of {search}, layer by layer trained",
        footer=" ".join([footer, *(f"{proxy}: {source}." for proxy, source in others)]),
        x="trained_architectures",
        x_label="architectures trained",
        shares=plotted[["q25", "q75"]].assign(whole=1.0),
    )


def _draw_panel(axes: Axes, curves: pd.DataFrame) -> None:
    for position, proxy in enumerate(curves["proxy"].unique()):
        curve = curves[(curves["proxy"] == proxy).to_numpy()]
        turn, place = divmod(position, len(_COLOURS))
        colour, dashes = _COLOURS[place], _DASHES[turn % len(_DASHES)]
        x = curve["trained_architectures"].to_numpy()
        # What is being trained counts when its layer is done.
        axes.plot(
            x,
            curve["median"].to_numpy(),
            color=colour,
            linestyle=dashes,
            drawstyle="steps-post",
            label=proxy,
            zorder=3 - 0.1 * position,
        )
        axes.fill_between(
            x,
            curve["q25"].to_numpy(),
            curve["q75"].to_numpy(),
            step="post",
            color=colour,
            alpha=0.15,
            linewidth=0,
            zorder=1,
        )
        axes.plot(
            curve["stopped_at"].iloc[:1],
            curve["stopped_with"].iloc[:1],
            color=colour,
            marker="o",
            markersize=4,
            linestyle="none",
            zorder=4,
        )
    axes.axhline(1, color=style.TRUE, linewidth=0.7, label="true front", zorder=1.5)
