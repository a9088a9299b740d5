"""The front that a search found: among the true one, and as it was believed and as it is.

Points are architectures with what was believed and what is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import METRICS
from hanas.fronts.picks import SEED, found_front
from hanas.fronts.rows import Row
from hanas.fronts.truth import reaches
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
        said = "no hardware metric was searched, so there is no front to draw"
        raise InputError(f"{said}; give the device latency_ms or energy_mj among its objectives")
    space = objectives.dropna().rename(columns={objective: f"proxy_{objective}"})
    if space.empty:
        raise InputError("the device can run none of the architectures; nothing to draw")
    accuracy = accuracies.set_index("arch")["accuracy_percent"].reindex(space.index)
    for first in accuracy.index[accuracy.isna()]:
        raise InputError(f"{accuracy.isna().sum()} without accuracy, first: {first}")
    space.insert(0, "true_error", 1 - accuracy / 100)
    for column, table in zip(SOURCES, (accuracies, metrics, proxy), strict=True):
        space[column] = str(table["source"].iloc[0])
    return space.reset_index(names="arch")


def evaluated(space: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return ``space`` of what the seed that is shown evaluated and the device can run, in order.

    Before it ``evaluation``, ``generation`` and ``score``. Raises InputError if there is nothing.
    """
    columns = ["evaluation", "generation", "score", "arch"]
    of_seed = history.loc[history["seed"] == SEED, columns]
    seen = of_seed.merge(space, on="arch", how="inner", validate="1:1").sort_values("evaluation")
    if seen.empty:
        raise InputError(f"seed {SEED} evaluated no architecture that the device can run")
    return seen.reset_index(drop=True)


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

    Raises InputError if the search evaluated nothing that can run, or nothing reaches the floor.
    """
    seen = evaluated(space, history)
    front = found_front(history, plugins.space(row.space))
    on_front = seen["arch"].isin(front["arch"]).to_numpy()
    search = row.search_label
    parts = [("evaluated", search, seen[~on_front]), ("found", search, seen[on_front])]
    for label, other in beside:
        scored = other[other["score"].notna().to_numpy()]
        if len(scored):
            best = evaluated(space, scored).sort_values(["score", "evaluation"])
            parts.append(("best", label, best.head(BEST)))
    floor = row.accuracy_floor_percent
    worthy = space[reaches(space["true_error"], floor / 100)]
    if worthy.empty:
        said = f"no architecture reaches {floor:g} % accuracy"
        raise InputError(f"{said}; lower tasks.*.accuracy_floor_percent")
    _, *metrics = objectives_in(space)
    for metric in metrics:
        true = worthy[non_dominated(worthy[["true_error", metric]], copies=False)]
        parts.append((f"true {metric}", "", true.sort_values(metric)))
    marked = [points.assign(shown_as=how, search=label) for how, label, points in parts]
    known = pd.concat(marked, ignore_index=True)[["shown_as", "search", *space.columns]]
    front, belief = (
        known[(known["shown_as"] != left_out).to_numpy()].reset_index(drop=True)
        for left_out in ("evaluated", "best")
    )
    return front, belief


def objectives_in(table: pd.DataFrame) -> list[str]:
    """Return the column of what the search believed, then the hardware metrics of a table."""
    believed = [name for name in table if name.startswith("proxy_") and name != "proxy_source"]
    return [*believed, *(metric for metric in METRICS if metric in table)]


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
    _, *metrics = objectives_in(plotted)
    width, columns = (style.TWO_COLUMNS, 4) if len(metrics) > 1 else (style.ONE_COLUMN, 2)
    title = f"{row.device}, {row.task}: front found with {row.proxy_label}"
    made = style.figure(width, 3.0, title, _footer(plotted, row))
    panels = made.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        _draw_panel(axes, plotted, row, metric, "true_error", f"true {metric}", "found", "best")
        axes.set_xlabel(style.label(metric))
    panels[0].set_ylabel(style.label("true_error"))
    style.legend(made, panels[0], columns)
    return made


@style.applied()
def draw_belief(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw all that was evaluated against each metric: as believed above or left of the truth."""
    proxy, *metrics = objectives_in(plotted)
    title = f"{row.device}, {row.task}: what {row.search_label} believed, and what is true"
    height = 2.9 if len(metrics) == 1 else 5.0
    made = style.figure(style.TWO_COLUMNS, height, title, _footer(plotted, row))
    if len(metrics) == 1:
        panels = made.subplots(1, 2, sharex=True, squeeze=False).T
    else:
        panels = made.subplots(2, len(metrics), sharex="col", sharey="row", squeeze=False)
    lines = {proxy: f"believed: by {row.proxy_label}", "true_error": "true"}
    for line, (error, said) in zip(panels, lines.items(), strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            _draw_panel(axes, plotted, row, metric, error, "evaluated", "found", f"true {metric}")
            if len(metrics) == 1 or error == "true_error":
                axes.set_xlabel(style.label(metric))
        line[0].set_ylabel(style.label(error, row.proxy_label))
        line[0].set_title(said, loc="left")
    style.legend(made, panels[1][0])
    return made


def _draw_panel(
    axes: Axes, plotted: pd.DataFrame, row: Row, metric: str, error: str, *kinds: str
) -> None:
    """Draw kinds of points, in the order of the legend: an error against a metric."""
    shown = {kind: plotted[(plotted["shown_as"] == kind).to_numpy()] for kind in kinds}
    for kind, points in shown.items():
        if kind == "evaluated":  # as pixels also in vector files, which stay small
            how = {"marker": "o", "markersize": 1.8, "color": style.CLOUD, "alpha": 0.6}
            how |= {"markeredgewidth": 0, "rasterized": True, "zorder": 1}
            name = f"{row.search_label}: evaluated"
            style.draw_marks(axes, points, metric, error, label=name, **how)
        elif kind == "found":
            how = {"marker": "o", "markersize": 3.2, "color": style.FOUND, "zorder": 3}
            name = f"{row.search_label}: found front"
            style.draw_marks(axes, points, metric, error, label=name, **how, **style.EDGED)
        elif kind == "best":
            searches = points.groupby("search", sort=False)
            for (search, best), (colour, mark) in zip(searches, cycle(style.BESIDE), strict=False):
                how = {"markersize": 4.6, "color": "none", "markeredgewidth": 1.0, "zorder": 4}
                how |= {"marker": mark, "markeredgecolor": colour}
                style.draw_marks(axes, best, metric, error, label=f"{search}: {BEST} best", **how)
        elif error == "true_error":  # the stairs that nothing lies below
            how = {"drawstyle": "steps-post", "color": style.TRUE, "zorder": 2}
            axes.plot(*style.xy(points, metric, error), label="true front", **how)
    # Panels may share axes: all rows have the same metrics in view, and all columns all errors.
    style.set_scale(axes, "x", pd.concat(shown.values())[metric], metric)
    believed = plotted[~plotted["shown_as"].str.startswith("true ")]
    style.set_scale(axes, "y", (plotted if error == "true_error" else believed)[error], error)


def _footer(plotted: pd.DataFrame, row: Row) -> list[str]:
    floor = f"{row.accuracy_floor_percent:g} %"
    said = [f"Seed {SEED}.", f"True front: of all networks that reach {floor} accuracy."]
    return said + sources(plotted, objectives_in(plotted)[1:], row.proxy_label)
