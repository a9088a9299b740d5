"""The front that a search found: among the true one, and as it was believed and as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.fronts.picks import found_front
from hanas.fronts.rows import Row
from hanas.report.figures import points, style

#: How many architectures of a scalarising search are shown, the best by what it minimised.
BEST = 10


def front_table(
    space: pd.DataFrame,
    row: Row,
    history: pd.DataFrame,
    beside: Sequence[tuple[str, pd.DataFrame]] = (),
) -> pd.DataFrame:
    """Return a found front, the best that other searches found, and the true fronts.

    ``space`` is that of :func:`hanas.report.figures.points.space_table`; ``row`` and ``history``
    are of the search whose front is shown; ``beside`` has labels and histories of others, and
    those that do not minimise one number are left out.

    ``shown_as``: ``found``, ``best`` or ``true METRIC``, the front in error and that metric;
    ``search``, its label; ``arch``, errors, metrics and sources.
    """
    _, found = _split(space, row, history)
    parts = [found]
    for label, other in beside:
        scored = other[other["score"].notna().to_numpy()]
        if len(scored):
            best = points.evaluated(space, scored).sort_values(["score", "evaluation"])
            parts.append(("best", label, best.head(BEST)))
    return points.joined(space, parts, row.accuracy_floor_percent)


def belief_table(space: pd.DataFrame, row: Row, history: pd.DataFrame) -> pd.DataFrame:
    """Return all that a search evaluated, and the true fronts, as :func:`front_table` does.

    ``shown_as`` is ``evaluated`` of what is not on the found front.
    """
    return points.joined(space, _split(space, row, history), row.accuracy_floor_percent)


def _split(space: pd.DataFrame, row: Row, history: pd.DataFrame) -> list[points.Part]:
    """Return what was evaluated besides the found front, and the front."""
    seen = points.evaluated(space, history)
    found = seen["arch"].isin(found_front(history)["arch"]).to_numpy()
    return [("evaluated", row.search_label, seen[~found]), ("found", row.search_label, seen[found])]


def draw_front(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw what :func:`front_table` returns: true error against each metric, in a panel each."""
    metrics = points.metrics_in(plotted)
    title = f"{row.device}, {row.task}: front found with {row.proxy_label}"
    with style.applied():
        width = style.TWO_COLUMNS if len(metrics) > 1 else style.ONE_COLUMN
        made = style.figure(width, 3.0, title, points.footer(plotted, row))
        panels = made.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            _draw_front(axes, plotted, metric)
        panels[0].set_ylabel(style.less_is_better(style.label("true_error")))
        style.legend(made, panels[0], columns=4 if len(metrics) > 1 else 2)
    return made


def _draw_front(axes: Axes, plotted: pd.DataFrame, metric: str) -> None:
    kinds = (f"true {metric}", "found", "best")
    true, found, best = (points.shown_as(plotted, kind) for kind in kinds)
    style.draw_true(axes, true, metric)
    style.draw_found(axes, found, metric, "true_error", f"{found['search'].iloc[0]}: found front")
    for search, (colour, mark) in zip(best["search"].unique(), cycle(style.BESIDE), strict=False):
        of_search = best[(best["search"] == search).to_numpy()]
        how = {"markersize": 4.6, "color": "none", "markeredgewidth": 1.0, "zorder": 4}
        how |= {"marker": mark, "markeredgecolor": colour, "label": f"{search}: {BEST} best"}
        style.draw_marks(axes, of_search, metric, "true_error", **how)
    style.set_scale(axes, "x", pd.concat([true, found, best])[metric], metric)
    style.set_scale(axes, "y", plotted["true_error"], "true_error")
    axes.set_xlabel(style.less_is_better(style.label(metric)))


def draw_belief(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw what :func:`belief_table` returns: the proxy's error above, the true one below.

    Each against each metric; of one metric, side by side.
    """
    metrics = points.metrics_in(plotted)
    search = points.shown_as(plotted, "found")["search"].iloc[0]
    title = f"{row.device}, {row.task}: what {search} believed, and what is true"
    with style.applied():
        height = 2.9 if len(metrics) == 1 else 5.0
        made = style.figure(style.TWO_COLUMNS, height, title, points.footer(plotted, row))
        if len(metrics) == 1:
            panels = made.subplots(1, 2, sharex=True, squeeze=False).T
        else:
            panels = made.subplots(2, len(metrics), sharex="col", sharey="row", squeeze=False)
        believed = (points.proxy_column(plotted), f"believed: by {row.proxy_label}")
        for line, (error, said) in zip(panels, [believed, ("true_error", "true")], strict=True):
            for axes, metric in zip(line, metrics, strict=True):
                _draw_belief(axes, plotted, metric, error)
                if len(metrics) == 1 or error == "true_error":
                    axes.set_xlabel(style.less_is_better(style.label(metric)))
            line[0].set_ylabel(style.less_is_better(style.label(error, row.proxy_label)))
            line[0].set_title(said, loc="left")
        style.legend(made, panels[1][0])
    return made


def _draw_belief(axes: Axes, plotted: pd.DataFrame, metric: str, error: str) -> None:
    kinds = ("evaluated", "found", f"true {metric}")
    seen, found, true = (points.shown_as(plotted, kind) for kind in kinds)
    search = found["search"].iloc[0]
    style.draw_cloud(axes, seen, metric, error, f"{search}: evaluated")
    style.draw_found(axes, found, metric, error, f"{search}: found front")
    if error == "true_error":
        style.draw_true(axes, true, metric)
    # Panels share axes, so both rows have the same metrics in view and both columns all errors.
    style.set_scale(axes, "x", pd.concat([seen, found, true])[metric], metric)
    in_row = plotted if error == "true_error" else pd.concat([seen, found])
    style.set_scale(axes, "y", in_row[error], error)
