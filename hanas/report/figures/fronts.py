"""The found front among the true one, beside the best that scalarising searchers found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.fronts.picks import found_front
from hanas.report.figures import points, style

#: How many architectures of a scalarising search are shown, the best by what it minimised.
BEST = 10


def table(
    space: pd.DataFrame,
    front: tuple[str, pd.DataFrame],
    beside: Sequence[tuple[str, pd.DataFrame]],
    *,
    accuracy_floor_percent: float,
) -> pd.DataFrame:
    """Return the points that are shown.

    Parameters
    ----------
    space
        See :func:`hanas.report.figures.points.space_table`.
    front
        Label and history of the search whose front is shown.
    beside
        Labels and histories of other searches; those that do not minimise one number are left out.
    accuracy_floor_percent
        For the true front.

    Returns
    -------
    DataFrame
        ``shown_as``: ``found``, ``best`` or ``true METRIC``, the front in error and that metric;
        ``search``, its label; ``arch``, errors, metrics and sources.
    """
    label, history = front
    on_front = found_front(history)["arch"]
    seen = points.evaluated(space, history)
    parts = [points.marked(seen[seen["arch"].isin(on_front).to_numpy()], "found", label)]
    for other, other_history in beside:
        scored = other_history[other_history["score"].notna().to_numpy()]
        if len(scored):
            best = points.evaluated(space, scored).sort_values(["score", "evaluation"]).head(BEST)
            parts.append(points.marked(best, "best", other))
    for metric in points.metrics_in(space):
        line = points.true_front(space, metric, accuracy_floor_percent)
        parts.append(points.marked(line, f"true {metric}", ""))
    columns = ["shown_as", "search", *space.columns]
    return pd.concat(parts, ignore_index=True)[columns]


def draw(plotted: pd.DataFrame, said: points.Words) -> Figure:
    """Draw what :func:`table` returns: true error against each metric, in a panel each."""
    metrics = points.metrics_in(plotted)
    width = style.TWO_COLUMNS if len(metrics) > 1 else style.ONE_COLUMN
    with style.applied():
        made = style.figure(
            width,
            3.0,
            f"{said.device}, {said.task}: front found with {said.proxy}",
            points.footer(plotted, said),
        )
        panels = made.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            _draw_panel(axes, plotted, metric)
        panels[0].set_ylabel(style.less_is_better(style.label("true_error")))
        style.legend(made, panels[0], columns=4 if len(metrics) > 1 else 2)
    return made


def _draw_panel(axes: Axes, plotted: pd.DataFrame, metric: str) -> None:
    true = points.shown_as(plotted, f"true {metric}")
    found = points.shown_as(plotted, "found")
    best = points.shown_as(plotted, "best")
    style.draw_true(axes, true, metric)
    style.draw_found(axes, found, metric, "true_error", f"{found['search'].iloc[0]}: found front")
    for search, (colour, mark) in zip(best["search"].unique(), cycle(style.BESIDE), strict=False):
        axes.plot(
            *style.xy(best[(best["search"] == search).to_numpy()], metric, "true_error"),
            linestyle="none",
            marker=mark,
            markersize=4.6,
            color="none",
            markeredgecolor=colour,
            markeredgewidth=1.0,
            label=f"{search}: {BEST} best",
            zorder=4,
        )
    everything = pd.concat([true, found, best])
    style.set_scale(axes, "x", everything[metric], metric)
    style.set_scale(axes, "y", plotted["true_error"], "true_error")
    axes.set_xlabel(style.less_is_better(style.label(metric)))
