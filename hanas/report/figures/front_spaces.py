"""Trained models of several spaces: error against measured latency, published ones as points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.figure import Figure

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.report.figures import style

#: Colour and mark of each space, and the marks of published networks.
SPACES = (("#c4161c", "o"), ("#00559e", "s"), ("#009e73", "^"), ("#6a3d9a", "D"))
PUBLISHED = ("*", "P", "X", "v")
NAMES = {
    "shufflenet_v2": "ShuffleNetV2",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_b0": "EfficientNet-B0",
}


def table(groups: Sequence[tuple[str, bool, pd.DataFrame]], *, device: str) -> pd.DataFrame:
    """Return the models that are shown.

    Parameters
    ----------
    groups
        Label, whether its models are published networks, and the table of its models (a model and
        device a row: ``arch``, ``device``, ``precision``, ``latency_ms``, the accuracies).
    device
        The device whose latencies are shown.

    Returns
    -------
    DataFrame
        ``group``, ``published``, ``arch``, ``true_error`` (a fraction; on test images, in the
        precision that the device runs), ``latency_ms``, its quartiles, ``on_front`` of the group,
        ``test_images``, ``precision``, ``accuracy_source`` and ``latency_source``.

    Raises
    ------
    InputError
        If a table has no latency on the device.
    """
    kept = ("arch", "latency_ms", "latency_q25_ms", "latency_q75_ms", "test_images", "precision")
    sources = ["accuracy_source", "latency_source"]
    parts = []
    for label, published, models in groups:
        here = models[(models["device"] == device).to_numpy()]
        here = here[here["latency_ms"].notna().to_numpy()].reset_index(drop=True)
        if here.empty:
            raise InputError(f"no model of {label} has a latency on {device}")
        accuracy = [row[f"{row['precision']}_accuracy_percent"] for _, row in here.iterrows()]
        part = here[[*kept, *sources]]
        part.insert(0, "group", label)
        part.insert(1, "published", published)
        part.insert(3, "true_error", 1 - pd.Series(accuracy, dtype=float) / 100)
        points = part[["true_error", "latency_ms"]].to_numpy()
        parts.append(part.assign(on_front=non_dominated(points)))
    return pd.concat(parts, ignore_index=True)


def draw(plotted: pd.DataFrame, *, device: str) -> Figure:
    """Draw what :func:`table` returns."""
    title = f"{device}: trained models of each space"
    sources = [
        (what, "; ".join(dict.fromkeys(map(str, plotted[column]))))
        for what, column in (("Error", "accuracy_source"), ("Latency", "latency_source"))
    ]
    said = ["Lines: the models of a space that none of it dominates."]
    with style.applied():
        footer = style.sources_in_words(sources, before=said)
        made = style.figure(style.ONE_COLUMN, 3.2, title, footer)
        axes = made.subplots()
        x, y = "latency_ms", "true_error"
        published = plotted["published"].to_numpy(dtype=bool)
        searched, known = plotted[~published], plotted[published]
        for group, (colour, mark) in zip(searched["group"].unique(), cycle(SPACES), strict=False):
            of_group = searched[(searched["group"] == group).to_numpy()]
            front = of_group[of_group["on_front"].to_numpy(dtype=bool)].sort_values(x)
            stairs = {"drawstyle": "steps-post", "linewidth": 0.9, "zorder": 2}
            axes.plot(*style.xy(front, x, y), color=colour, **stairs)
            how = {"marker": mark, "markersize": 4.2, "color": colour, "label": group, "zorder": 3}
            style.draw_marks(
                axes, of_group, x, y, markeredgecolor="white", markeredgewidth=0.3, **how
            )
        for arch, mark in zip(known["arch"], cycle(PUBLISHED), strict=False):
            how = {"marker": mark, "markersize": 6.5, "color": style.INK, "zorder": 4}
            how |= {"markeredgecolor": "white", "markeredgewidth": 0.4}
            of_arch = known[(known["arch"] == arch).to_numpy()]
            style.draw_marks(axes, of_arch, x, y, label=NAMES.get(str(arch), str(arch)), **how)
        style.set_scale(axes, "x", plotted[x], x)
        style.set_scale(axes, "y", plotted[y], y)
        axes.set_xlabel(style.less_is_better(style.label(x)))
        axes.set_ylabel(style.less_is_better(style.label(y)))
        style.legend(made, axes, columns=3)
    return made
