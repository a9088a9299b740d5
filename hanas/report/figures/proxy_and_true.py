"""The same architectures as the search believed them to be, and as they are."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.fronts.picks import found_front
from hanas.report.figures import points, style


def table(
    space: pd.DataFrame,
    front: tuple[str, pd.DataFrame],
    *,
    accuracy_floor_percent: float,
) -> pd.DataFrame:
    """Return the points that are shown.

    Parameters
    ----------
    space
        See :func:`hanas.report.figures.points.space_table`.
    front
        Label and history of the search.
    accuracy_floor_percent
        For the true front.

    Returns
    -------
    DataFrame
        ``shown_as``: ``found``, ``evaluated`` (what was evaluated besides) or ``true METRIC``, the
        front in error and that metric; ``search``, its label; ``arch``, errors, metrics and
        sources.
    """
    label, history = front
    seen = points.evaluated(space, history)
    found = seen["arch"].isin(found_front(history)["arch"]).to_numpy()
    parts = [
        points.marked(seen[~found], "evaluated", label),
        points.marked(seen[found], "found", label),
    ]
    for metric in points.metrics_in(space):
        line = points.true_front(space, metric, accuracy_floor_percent)
        parts.append(points.marked(line, f"true {metric}", ""))
    columns = ["shown_as", "search", *space.columns]
    return pd.concat(parts, ignore_index=True)[columns]


def draw(plotted: pd.DataFrame, said: points.Words) -> Figure:
    """Draw what :func:`table` returns: the proxy's error and the true one against each metric."""
    metrics = points.metrics_in(plotted)
    proxy = points.proxy_column(plotted)
    search = points.shown_as(plotted, "found")["search"].iloc[0]
    with style.applied():
        made = style.figure(
            style.TWO_COLUMNS,
            2.9 if len(metrics) == 1 else 5.0,
            f"{said.device}, {said.task}: what {search} believed, and what is true",
            points.footer(plotted, said),
        )
        if len(metrics) == 1:
            panels = made.subplots(1, 2, sharex=True, squeeze=False).T
        else:
            panels = made.subplots(2, len(metrics), sharex="col", sharey="row", squeeze=False)
        titles = {proxy: f"believed: by {said.proxy}", "true_error": "true"}
        for row, (error, title) in zip(panels, titles.items(), strict=True):
            for axes, metric in zip(row, metrics, strict=True):
                _draw_panel(axes, plotted, metric, error)
                if len(metrics) == 1 or error == "true_error":
                    axes.set_xlabel(style.less_is_better(style.label(metric)))
            row[0].set_ylabel(style.less_is_better(style.label(error, said.proxy)))
            row[0].set_title(title, loc="left")
        style.legend(made, panels[1][0])
    return made


def _draw_panel(axes: Axes, plotted: pd.DataFrame, metric: str, error: str) -> None:
    seen = points.shown_as(plotted, "evaluated")
    found = points.shown_as(plotted, "found")
    true = points.shown_as(plotted, f"true {metric}")
    search = found["search"].iloc[0]
    style.draw_cloud(axes, seen, metric, error, f"{search}: evaluated")
    style.draw_found(axes, found, metric, error, f"{search}: found front")
    if error == "true_error":
        style.draw_true(axes, true, metric)
    # Panels share axes, so both rows have the same metrics in view and both columns all errors.
    style.set_scale(axes, "x", pd.concat([seen, found, true])[metric], metric)
    in_row = plotted if error == "true_error" else pd.concat([seen, found])
    style.set_scale(axes, "y", in_row[error], error)
