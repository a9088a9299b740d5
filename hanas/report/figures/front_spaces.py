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
    parts = []
    for label, published, models in groups:
        here = models[(models["device"] == device).to_numpy()]
        here = here[here["latency_ms"].notna().to_numpy()]
        if here.empty:
            raise InputError(f"no model of {label} has a latency on {device}")
        accuracy = [row[f"{row['precision']}_accuracy_percent"] for _, row in here.iterrows()]
        part = pd.DataFrame(
            {
                "group": label,
                "published": published,
                "arch": here["arch"].to_numpy(),
                "true_error": 1 - pd.Series(accuracy, dtype=float) / 100,
                "latency_ms": here["latency_ms"].to_numpy(),
                "latency_q25_ms": here["latency_q25_ms"].to_numpy(),
                "latency_q75_ms": here["latency_q75_ms"].to_numpy(),
                "test_images": here["test_images"].to_numpy(),
                "precision": here["precision"].to_numpy(),
                "accuracy_source": here["accuracy_source"].to_numpy(),
                "latency_source": here["latency_source"].to_numpy(),
            }
        )
        points = part[["true_error", "latency_ms"]].to_numpy()
        parts.append(part.assign(on_front=non_dominated(points)))
    return pd.concat(parts, ignore_index=True)


def draw(plotted: pd.DataFrame, *, device: str) -> Figure:
    """Draw what :func:`table` returns."""
    with style.applied():
        made = style.figure(
            style.ONE_COLUMN,
            3.2,
            f"{device}: trained models of each space",
            style.sources_in_words(
                [
                    ("Error", _joined(plotted["accuracy_source"])),
                    ("Latency", _joined(plotted["latency_source"])),
                ],
                before=["Lines: the models of a space that none of it dominates."],
            ),
        )
        axes = made.subplots()
        searched = plotted[~plotted["published"].to_numpy(dtype=bool)]
        for group, (colour, mark) in zip(searched["group"].unique(), cycle(SPACES), strict=False):
            of_group = searched[(searched["group"] == group).to_numpy()]
            front = of_group[of_group["on_front"].to_numpy(dtype=bool)].sort_values("latency_ms")
            axes.plot(
                *style.xy(front, "latency_ms", "true_error"),
                color=colour,
                drawstyle="steps-post",
                linewidth=0.9,
                zorder=2,
            )
            axes.plot(
                *style.xy(of_group, "latency_ms", "true_error"),
                linestyle="none",
                marker=mark,
                markersize=4.2,
                color=colour,
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=group,
                zorder=3,
            )
        known = plotted[plotted["published"].to_numpy(dtype=bool)]
        for (_, row), mark in zip(known.iterrows(), cycle(PUBLISHED), strict=False):
            axes.plot(
                *style.xy(row.to_frame().T, "latency_ms", "true_error"),
                linestyle="none",
                marker=mark,
                markersize=6.5,
                color=style.INK,
                markeredgecolor="white",
                markeredgewidth=0.4,
                label=NAMES.get(str(row["arch"]), str(row["arch"])),
                zorder=4,
            )
        style.set_scale(axes, "x", plotted["latency_ms"], "latency_ms")
        style.set_scale(axes, "y", plotted["true_error"], "true_error")
        axes.set_xlabel(style.less_is_better(style.label("latency_ms")))
        axes.set_ylabel(style.less_is_better(style.label("true_error")))
        style.legend(made, axes, columns=3)
    return made


def _joined(sources: pd.Series) -> str:
    return "; ".join(dict.fromkeys(map(str, sources)))
