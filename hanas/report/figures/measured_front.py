"""A found front as it was predicted and as it was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hanas.report.figures import style


def draw(table: pd.DataFrame, *, device: str, task: str, proxy: str, search: str) -> Figure:
    """Draw what :func:`hanas.fronts.measured_fronts.measure` returns: the proxy against latency.

    A bar is one standard deviation of a prediction, or from one quartile of the passes to the
    other; a line joins the two numbers of an architecture.
    """
    objective = table.columns[1]
    named = f"proxy_{objective}" if not objective.startswith("proxy_") else objective
    table = table[table["feasible"].to_numpy(dtype=bool)].rename(columns={objective: named})
    y = style.shown(table[named], named)
    predicted = table["predicted_latency_ms"].to_numpy()
    measured = table["measured_latency_ms"].to_numpy()
    deviation = table["predicted_latency_ms_deviation"].to_numpy()
    # A mean may lie outside the quartiles.
    low = np.maximum(measured - table["measured_latency_q25_ms"], 0)
    high = np.maximum(table["measured_latency_q75_ms"] - measured, 0)
    footer = style.sources_in_words(
        [("Latency", table[f"{how}_source"].iloc[0]) for how in ("predicted", "measured")],
        before=[_agreement(predicted, measured)],
    )
    title = f"{device}, {task}: front found by {search}, measured"
    with style.applied():
        made = style.figure(style.ONE_COLUMN, 3.0, title, footer)
        axes = made.subplots()
        for x_1, x_2, at in zip(predicted, measured, y, strict=True):
            axes.plot([x_1, x_2], [at, at], color=style.CLOUD, linewidth=0.6, zorder=1)
        of_both = {"linestyle": "none", "marker": "o", "elinewidth": 0.7}
        looks = {"markersize": 3.6, "color": style.TRUE, "markerfacecolor": "white"}
        looks |= {"markeredgewidth": 0.8, "label": "predicted ± 1 deviation", "zorder": 2}
        axes.errorbar(predicted, y, xerr=deviation, **of_both, **looks)
        looks = {"markersize": 3.2, "color": style.FOUND, "markeredgecolor": "white"}
        looks |= {"markeredgewidth": 0.3, "label": "measured, quartiles", "zorder": 3}
        axes.errorbar(measured, y, xerr=[low, high], **of_both, **looks)
        ends = [np.maximum(predicted - deviation, 0), predicted + deviation]
        style.set_scale(axes, "x", np.concatenate([*ends, measured]), "latency_ms")
        style.set_scale(axes, "y", table[named], named)
        axes.set_xlabel(style.less_is_better(style.label("latency_ms")))
        axes.set_ylabel(style.less_is_better(style.label(named, proxy)))
        style.legend(made, axes, columns=2)
    return made


def _agreement(predicted: np.ndarray, measured: np.ndarray) -> str:
    from scipy.stats import spearmanr

    error = np.median(np.abs(predicted - measured) / measured)
    said = f"Median difference {100 * error:.1f} %"
    if len(measured) > 2:
        said += f", rank correlation {spearmanr(predicted, measured).statistic:.2f}"
    return f"{said} over {len(measured)} architectures."
