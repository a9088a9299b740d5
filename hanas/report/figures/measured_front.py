"""A found front as it was predicted and as it was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from hanas.report.figures import style


def draw(table: pd.DataFrame, *, device: str, task: str, proxy: str, search: str) -> Figure:
    """Draw what :func:`hanas.fronts.measured_fronts.beside` returns: the proxy against latency.

    A bar is one standard deviation of a prediction, or from one quartile of the passes to the
    other; a line joins the two numbers of an architecture.
    """
    objective = table.columns[1]
    named = f"proxy_{objective}" if not objective.startswith("proxy_") else objective
    table = table[table["feasible"].to_numpy(dtype=bool)].rename(columns={objective: named})
    y = style.shown(table[named], named)
    predicted = table["predicted_latency_ms"].to_numpy()
    measured = table["measured_latency_ms"].to_numpy()
    with style.applied():
        made = style.figure(
            style.ONE_COLUMN,
            3.0,
            f"{device}, {task}: front found by {search}, measured",
            style.sources_in_words(
                [
                    ("Latency", table["predicted_source"].iloc[0]),
                    ("Latency", table["measured_source"].iloc[0]),
                ],
                before=[_agreement(predicted, measured)],
            ),
        )
        axes = made.subplots()
        for x_1, x_2, at in zip(predicted, measured, y, strict=True):
            axes.plot([x_1, x_2], [at, at], color=style.CLOUD, linewidth=0.6, zorder=1)
        axes.errorbar(
            predicted,
            y,
            xerr=table["predicted_latency_ms_deviation"].to_numpy(),
            linestyle="none",
            marker="o",
            markersize=3.6,
            color=style.TRUE,
            markerfacecolor="white",
            markeredgewidth=0.8,
            elinewidth=0.7,
            label="predicted ± 1 deviation",
            zorder=2,
        )
        low, high = table["measured_latency_q25_ms"], table["measured_latency_q75_ms"]
        # A mean may lie outside the quartiles.
        spread = [np.maximum(measured - low, 0), np.maximum(high - measured, 0)]
        axes.errorbar(
            measured,
            y,
            xerr=spread,
            linestyle="none",
            marker="o",
            markersize=3.2,
            color=style.FOUND,
            markeredgecolor="white",
            markeredgewidth=0.3,
            elinewidth=0.7,
            label="measured, quartiles",
            zorder=3,
        )
        deviation = table["predicted_latency_ms_deviation"].to_numpy()
        ends = [np.maximum(predicted - deviation, 0), predicted + deviation]
        everything = np.concatenate([*ends, measured])
        style.set_scale(axes, "x", everything, "latency_ms")
        style.set_scale(axes, "y", table[named], named)
        axes.set_xlabel(style.less_is_better(style.label("latency_ms")))
        axes.set_ylabel(style.less_is_better(style.label(named, proxy)))
        style.legend(made, axes, columns=2)
    return made


def _agreement(predicted: np.ndarray, measured: np.ndarray) -> str:
    error = np.median(np.abs(predicted - measured) / measured)
    said = f"Median difference {100 * error:.1f} %"
    if len(measured) > 2:
        said += f", rank correlation {spearmanr(predicted, measured).statistic:.2f}"
    return f"{said} over {len(measured)} architectures."
