"""Figures of what was measured: models of several spaces, and a front as it was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.core.ranking import spearman_rho
from hanas.fronts.otherwise import order_between_seeds
from hanas.report.figures import style

#: Colour and mark of each space, and the marks of published networks.
SPACES = (("#c4161c", "o"), ("#00559e", "s"), ("#009e73", "^"), ("#6a3d9a", "D"))
PUBLISHED = ("*", "P", "X", "v")
NAMES = {
    "shufflenet_v2": "ShuffleNetV2",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_b0": "EfficientNet-B0",
}


def models_table(groups: Sequence[tuple[str, bool, pd.DataFrame]], *, device: str) -> pd.DataFrame:
    """Return the models that are shown, of groups that are mostly those of a space.

    A group is its label, whether its models are published networks, and their table, a model and
    device a row (:func:`hanas.fronts.otherwise.models_compared`). ``true_error``, a fraction, is on
    test images, in the precision that the device runs, a mean over ``seeds`` trainings, with the
    standard deviation ``error_deviation`` (NaN of one); ``on_front`` is of the group, without its
    random members.

    Raises InputError if a table has no latency on the device.
    """
    columns = ["group", "published", "role", "arch", "true_error", "error_deviation", "seeds"]
    columns += ["test_accuracy_percent", "test_accuracy_percent_mean", "latency_ms"]
    columns += ["latency_q25_ms", "latency_q75_ms", "test_images", "precision"]
    columns += ["accuracy_source", "latency_source"]
    parts = []
    for label, published, models in groups:
        here = models[((models["device"] == device) & models["latency_ms"].notna()).to_numpy()]
        if here.empty:
            raise InputError(f"no model of {label} has a latency on {device}")
        part = here.assign(
            group=label,
            published=published,
            true_error=1 - here["device_accuracy_percent"] / 100,
            error_deviation=here["test_accuracy_percent_std"] / 100,
        )[columns]
        chosen, on_front = (part["role"] != "random").to_numpy(), np.zeros(len(part), dtype=bool)
        on_front[chosen] = non_dominated(part.loc[chosen, ["true_error", "latency_ms"]])
        parts.append(part.assign(on_front=on_front))
    return pd.concat(parts, ignore_index=True)


@style.applied()
def draw_models(plotted: pd.DataFrame, *, device: str) -> Figure:
    """Draw what :func:`models_table` returns, published networks as points of their own."""
    x, y = "latency_ms", "true_error"
    footer = ["Lines: the models of a space that none of it dominates; dotted: published networks."]
    if (plotted["role"] == "random").any():
        footer.append("Hollow: random members of a space.")
    seeds, order = int(plotted["seeds"].min()), order_between_seeds(plotted)
    if seeds > 1:
        footer.append(
            f"Marks are means of {seeds} trainings, bars one standard deviation. Kendall's tau "
            f"between the first training and the others: {order:.2f}."
        )
    for what, column in (("Error", "accuracy_source"), ("Latency", "latency_source")):
        footer.append(f"{what}: {'; '.join(map(str, plotted[column].unique()))}.")
    title = f"{device}: trained models of each space"
    made = style.figure(style.ONE_COLUMN, 3.2, title, footer)
    axes = made.subplots()
    published = plotted["published"].to_numpy(dtype=bool)
    searched = plotted[~published].groupby("group", sort=False)
    for (group, models), (colour, mark) in zip(searched, cycle(SPACES), strict=False):
        front = models[models["on_front"].to_numpy(dtype=bool)].sort_values(x)
        stairs = {"drawstyle": "steps-post", "linewidth": 0.9, "zorder": 2}
        axes.plot(*style.xy(front, x, y), color=colour, **stairs)
        how = {"marker": mark, "markersize": 4.2, "color": colour, "zorder": 3}
        drawn = (models["role"] == "random").to_numpy()
        _draw_deviations(axes, models, colour)
        style.draw_marks(axes, models[~drawn], x, y, label=group, **how, **style.EDGED)
        style.draw_marks(axes, models[drawn], x, y, **how, markerfacecolor="white")
    names = plotted.loc[published, "arch"].map(lambda arch: arch.partition("@")[0])
    by_name = plotted[published].groupby(names, sort=False)
    for (name, models), mark in zip(by_name, cycle(PUBLISHED), strict=False):
        how = {"marker": mark, "markersize": 6.5, "color": style.INK, "zorder": 4}
        how |= {"markeredgecolor": "white", "markeredgewidth": 0.4}
        joined = {"color": style.INK, "linewidth": 0.6, "linestyle": ":", "zorder": 2}
        axes.plot(*style.xy(models.sort_values(x), x, y), **joined)
        _draw_deviations(axes, models, style.INK)
        style.draw_marks(axes, models, x, y, label=NAMES.get(str(name), str(name)), **how)
    deviation = plotted["error_deviation"].fillna(0)
    ends = np.concatenate([plotted[y] - deviation, plotted[y] + deviation])
    _finish(made, plotted[x], np.clip(ends, 0, 1), y, columns=3)
    return made


def _draw_deviations(axes: Axes, models: pd.DataFrame, colour: str) -> None:
    """Draw a bar of one standard deviation between seeds to each side, where there are several."""
    known = models[models["error_deviation"].notna().to_numpy()]
    of_bars = {"linestyle": "none", "elinewidth": 0.6, "color": colour, "zorder": 2}
    deviation = style.shown(known["error_deviation"], "true_error")  # on the axis of errors
    axes.errorbar(*style.xy(known, "latency_ms", "true_error"), yerr=deviation, **of_bars)


@style.applied()
def draw_front(table: pd.DataFrame, *, device: str, task: str, proxy: str, search: str) -> Figure:
    """Draw what :func:`hanas.fronts.measured_fronts.measure` returns: the proxy against latency.

    A bar is one standard deviation of a prediction, or from one quartile of the passes to the
    other; a line joins the two numbers of an architecture.
    """
    objective = table.columns[1]
    named = objective if objective.startswith("proxy_") else f"proxy_{objective}"
    table = table[table["feasible"].to_numpy(dtype=bool)]
    y = style.shown(table[objective], named)
    predicted = table["predicted_latency_ms"].to_numpy()
    measured = table["measured_latency_ms"].to_numpy()
    deviation = table["predicted_latency_ms_deviation"].to_numpy()
    # A mean may lie outside the quartiles.
    low = np.maximum(measured - table["measured_latency_q25_ms"], 0)
    high = np.maximum(table["measured_latency_q75_ms"] - measured, 0)
    error = np.median(np.abs(predicted - measured) / measured)
    said = f"Median difference {100 * error:.1f} %"
    if len(measured) > 2:
        said += f", rank correlation {spearman_rho(predicted, measured):.2f}"
    sources = [f"Latency: {table[f'{how}_source'].iloc[0]}." for how in ("predicted", "measured")]
    footer = [f"{said} over {len(measured)} architectures.", *sources]
    title = f"{device}, {task}: front found by {search}, measured"
    made = style.figure(style.ONE_COLUMN, 3.0, title, footer)
    axes = made.subplots()
    joined = np.array([predicted, measured]), np.array([y, y])
    axes.plot(*joined, color=style.CLOUD, linewidth=0.6, zorder=1)
    of_both = {"linestyle": "none", "marker": "o", "elinewidth": 0.7}
    how = {"markersize": 3.6, "color": style.TRUE, "markerfacecolor": "white", "zorder": 2}
    how |= {"markeredgewidth": 0.8, "label": "predicted ± 1 deviation", **of_both}
    axes.errorbar(predicted, y, xerr=deviation, **how)
    how = {"markersize": 3.2, "color": style.FOUND, "label": "measured, quartiles", "zorder": 3}
    axes.errorbar(measured, y, xerr=[low, high], **how, **of_both, **style.EDGED)
    ends = [np.maximum(predicted - deviation, 0), predicted + deviation, measured]
    _finish(made, np.concatenate(ends), table[objective], named, proxy)
    return made


def _finish(
    made: Figure, latencies_ms, errors, column: str, proxy: str = "proxy", columns: int = 2
) -> None:
    """Scale and name the axes of a figure of one panel, and say what its marks are."""
    (axes,) = made.axes
    style.set_scale(axes, "x", latencies_ms, "latency_ms")
    style.set_scale(axes, "y", errors, column)
    axes.set(xlabel=style.label("latency_ms"), ylabel=style.label(column, proxy))
    style.legend(made, axes, columns)
