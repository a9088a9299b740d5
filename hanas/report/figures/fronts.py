"""The front that a search found: among the true one, and as it was believed and as it is.

Points are architectures with what was believed and what is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts.floor import reaches
from hanas.fronts.picks import SEED, found_front
from hanas.fronts.rows import Row
from hanas.report.figures import style
from hanas.search.run import objectives_of

#: The columns that say where true errors, metrics and proxy come from.
SOURCES = ("accuracy_source", "metrics_source", "proxy_source")
#: What true objectives are called in a sentence.
IN_WORDS = {"error": "error", "latency_ms": "latency", "energy_mj": "energy"}
#: How many architectures of a scalarising search are shown, the best by what it minimised.
BEST = 10


def space_table(
    row: Row, accuracies: pd.DataFrame, metrics: pd.DataFrame, proxy: pd.DataFrame
) -> pd.DataFrame:
    """Join what is known of every architecture that the device can run.

    Columns: ``arch``; ``true_error`` and, if it is one, ``proxy_error``, as fractions, else
    ``proxy_cross_entropy`` or another of :data:`hanas.proxies._proxy.SCORES`; the metrics that
    were searched; the sources of all.

    Raises InputError if no metric was searched, the device can run nothing, or an architecture
    that it can run has no accuracy.
    """
    objective = row.proxy_objective
    objectives, _ = objectives_of(proxy, metrics, objective, row.device_objectives)
    if objectives.shape[1] < 2:
        raise InputError(
            "no hardware metric was searched, so there is no front to draw; "
            "give the device latency_ms or energy_mj among its objectives"
        )
    space = objectives.dropna().rename(columns={objective: f"proxy_{objective}"})
    if space.empty:
        raise InputError("the device can run none of the architectures; nothing to draw")
    accuracy = accuracies.set_index("arch")["accuracy_percent"].reindex(space.index)
    missing = space.index[accuracy.isna()]
    if len(missing):
        raise InputError(f"{len(missing)} without accuracy, first: {missing[0]}")
    space.insert(0, "true_error", 1 - accuracy / 100)
    for column, table in zip(SOURCES, (accuracies, metrics, proxy), strict=True):
        space[column] = str(table["source"].iloc[0])
    return space.reset_index(names="arch")


def evaluated(space: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return what the seed that is shown evaluated and the device can run, in order.

    ``evaluation``, ``generation``, ``score`` and the columns of ``space``. Raises InputError if
    there is nothing.
    """
    columns = ["evaluation", "generation", "score", "arch"]
    of_seed = history.loc[history["seed"] == SEED, columns]
    seen = of_seed.merge(space, on="arch", how="inner", validate="1:1").sort_values("evaluation")
    if seen.empty:
        raise InputError(f"seed {SEED} evaluated no architecture that the device can run")
    return seen.reset_index(drop=True)


def true_front(space: pd.DataFrame, metric: str, accuracy_floor_percent: float) -> pd.DataFrame:
    """Return the true front in error and one metric, of what reaches the floor, by the metric.

    Raises InputError if no architecture reaches the floor.
    """
    worthy = space[reaches(space["true_error"].to_numpy(), accuracy_floor_percent / 100)]
    if worthy.empty:
        raise InputError(
            f"no architecture reaches {accuracy_floor_percent:g} % accuracy; lower "
            "tasks.*.accuracy_floor_percent"
        )
    points = worthy[["true_error", metric]].to_numpy(dtype=np.float64)
    return worthy[non_dominated(points, copies=False)].sort_values(metric)


def front_tables(
    space: pd.DataFrame,
    row: Row,
    history: pd.DataFrame,
    beside: Sequence[tuple[str, pd.DataFrame]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what :func:`draw_front` shows, and what :func:`draw_belief`.

    ``space`` is that of :func:`space_table`; ``row`` and ``history`` are of the search whose front
    is shown; ``beside`` has labels and histories of others, of which those are shown that
    minimise one number.

    ``shown_as``: ``found``; ``best`` of others (the first table) or ``evaluated`` and not on the
    found front (the second); ``true METRIC``, the front in error and that metric. ``search``, its
    label; ``arch``, errors, metrics and sources.
    """
    seen = evaluated(space, history)
    on_front = seen["arch"].isin(found_front(history)["arch"]).to_numpy()
    parts = [
        ("evaluated", row.search_label, seen[~on_front]),
        ("found", row.search_label, seen[on_front]),
    ]
    for label, other in beside:
        scored = other[other["score"].notna().to_numpy()]
        if len(scored):
            best = evaluated(space, scored).sort_values(["score", "evaluation"])
            parts.append(("best", label, best.head(BEST)))
    for metric in metrics_in(space):
        true = true_front(space, metric, row.accuracy_floor_percent)
        parts.append((f"true {metric}", "", true))
    marked = [points.assign(shown_as=how, search=search) for how, search, points in parts]
    known = pd.concat(marked, ignore_index=True)[["shown_as", "search", *space.columns]]
    front, belief = (
        known[(known["shown_as"] != left_out).to_numpy()].reset_index(drop=True)
        for left_out in ("evaluated", "best")
    )
    return front, belief


def metrics_in(table: pd.DataFrame) -> list[str]:
    """Return the hardware metrics among a table's columns."""
    return [metric for metric in METRICS if metric in table]


def proxy_column(table: pd.DataFrame) -> str:
    """Return the column of what the search believed."""
    return next(name for name in table if name.startswith("proxy_") and name != "proxy_source")


def sources(table: pd.DataFrame, metrics: Sequence[str], proxy: str) -> list[str]:
    """Return sentences: where true errors, metrics and the proxy of a table come from."""
    of_metrics = " and ".join(IN_WORDS[metric] for metric in metrics).capitalize()
    names = ("True error", of_metrics, proxy)
    return [
        f"{name}: {table[column].iloc[0]}." for name, column in zip(names, SOURCES, strict=True)
    ]


@style.applied()
def draw_front(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw a found front, the best of other searches and the true one, in a panel a metric."""
    metrics = metrics_in(plotted)
    width, columns = (style.TWO_COLUMNS, 4) if len(metrics) > 1 else (style.ONE_COLUMN, 2)
    title = f"{row.device}, {row.task}: front found with {row.proxy_label}"
    made = style.figure(width, 3.0, title, _footer(plotted, row))
    panels = made.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        true, found, best = _shown_as(plotted, f"true {metric}", "found", "best")
        _draw_true(axes, true, metric)
        _draw_found(axes, found, metric, "true_error")
        of_search = best.groupby("search", sort=False)
        for (search, points), (colour, mark) in zip(of_search, cycle(style.BESIDE), strict=False):
            how = {"markersize": 4.6, "color": "none", "markeredgewidth": 1.0, "zorder": 4}
            how |= {"marker": mark, "markeredgecolor": colour, "label": f"{search}: {BEST} best"}
            style.draw_marks(axes, points, metric, "true_error", **how)
        style.set_scale(axes, "x", pd.concat([true, found, best])[metric], metric)
        style.set_scale(axes, "y", plotted["true_error"], "true_error")
        axes.set_xlabel(style.axis_label(metric))
    panels[0].set_ylabel(style.axis_label("true_error"))
    style.legend(made, panels[0], columns)
    return made


@style.applied()
def draw_belief(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw all that a search evaluated: the proxy's error above, the true one below.

    Each against each metric; of one metric, side by side.
    """
    metrics = metrics_in(plotted)
    title = f"{row.device}, {row.task}: what {row.search_label} believed, and what is true"
    height = 2.9 if len(metrics) == 1 else 5.0
    made = style.figure(style.TWO_COLUMNS, height, title, _footer(plotted, row))
    if len(metrics) == 1:
        panels = made.subplots(1, 2, sharex=True, squeeze=False).T
    else:
        panels = made.subplots(2, len(metrics), sharex="col", sharey="row", squeeze=False)
    believed = (proxy_column(plotted), f"believed: by {row.proxy_label}")
    for line, (error, said) in zip(panels, [believed, ("true_error", "true")], strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            seen, found, true = _shown_as(plotted, "evaluated", "found", f"true {metric}")
            # As pixels also in vector files, which stay small.
            how = {"marker": "o", "markersize": 1.8, "color": style.CLOUD, "alpha": 0.6}
            how |= {"markeredgewidth": 0, "rasterized": True, "zorder": 1}
            name = f"{row.search_label}: evaluated"
            style.draw_marks(axes, seen, metric, error, label=name, **how)
            _draw_found(axes, found, metric, error)
            if error == "true_error":
                _draw_true(axes, true, metric)
            # Panels share axes, so both rows have the same metrics in view and both columns all
            # errors.
            style.set_scale(axes, "x", pd.concat([seen, found, true])[metric], metric)
            in_row = plotted if error == "true_error" else pd.concat([seen, found])
            style.set_scale(axes, "y", in_row[error], error)
            if len(metrics) == 1 or error == "true_error":
                axes.set_xlabel(style.axis_label(metric))
        line[0].set_ylabel(style.axis_label(error, row.proxy_label))
        line[0].set_title(said, loc="left")
    style.legend(made, panels[1][0])
    return made


def _shown_as(plotted: pd.DataFrame, *kinds: str) -> list[pd.DataFrame]:
    return [plotted[(plotted["shown_as"] == kind).to_numpy()] for kind in kinds]


def _draw_true(axes: Axes, front: pd.DataFrame, metric: str) -> None:
    """Draw the true front, sorted by the metric, as the stairs that nothing lies below."""
    how = {"drawstyle": "steps-post", "color": style.TRUE, "label": "true front", "zorder": 2}
    axes.plot(*style.xy(front, metric, "true_error"), **how)


def _draw_found(axes: Axes, points: pd.DataFrame, metric: str, error: str) -> None:
    how = {"marker": "o", "markersize": 3.2, "color": style.FOUND, "zorder": 3, **style.EDGED}
    name = f"{points['search'].iloc[0]}: found front"
    style.draw_marks(axes, points, metric, error, label=name, **how)


def _footer(plotted: pd.DataFrame, row: Row) -> list[str]:
    floor = f"{row.accuracy_floor_percent:g} %"
    said = [f"Seed {SEED}.", f"True front: of all networks that reach {floor} accuracy."]
    return said + sources(plotted, metrics_in(plotted), row.proxy_label)
