"""Curves of the normalised hypervolume: over what a search evaluated, over what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.fronts.evaluation import curve_table
from hanas.fronts.rows import Row
from hanas.report.figures import fronts, style

#: Colour, dashes and width, the first on top. Searches that begin with the same samples lie on each
#: other for a while: a dashed line over a line over a wide one, all are seen.
_SEARCHES: tuple[tuple[str, Any, float], ...] = (
    (style.FOUND, "-", 1.2),
    (style.BESIDE[0][0], (0, (3.5, 2.5)), 1.2),
    (style.BESIDE[1][0], "-", 1.2),
    (style.CLOUD, "-", 3.0),
    (style.BESIDE[2][0], (0, (1, 1)), 1.2),
)
_COLOURS = (style.FOUND, *(colour for colour, _ in style.BESIDE), style.CLOUD)
_QUARTILES = ("median", "q25", "q75")
#: Of the first proxies, of those for which the colours begin anew, and so on.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def convergence_table(
    curves: pd.DataFrame, budget: pd.DataFrame, rows: Sequence[Row]
) -> pd.DataFrame:
    """Return how soon each search comes how close to the true front.

    ``curves`` and ``budget`` are tables of :mod:`hanas.fronts.evaluation`; ``rows`` the searches
    that are shown, of one task and proxy, in the order of the legend. ``search`` is its label;
    ``ceiling`` the share of the exact front of the proxy.
    """
    keys = ["task", "objectives", "proxy", "search"]
    known = curves.merge(budget[[*keys, "ceiling"]], on=keys, validate="m:1")
    parts = [_of_search(known, row).assign(search=row.search_label) for row in rows]
    return _joined(parts, ["search", "evaluations", *_QUARTILES, "seeds", "ceiling"])


def peeling_table(layers: pd.DataFrame, rows: Sequence[Row]) -> pd.DataFrame:
    """Return what training the layers behind the fronts of a search brings, over what it costs.

    ``layers`` is that of :func:`hanas.fronts.evaluation.peeling_table`; ``rows`` one search with
    each of the proxies that are shown, in the order of the legend. ``proxy`` is its label, and its
    name where several have one label; the rest as in :func:`hanas.fronts.evaluation.curve_table`.
    """
    names = [row.proxy_label for row in rows]
    parts = []
    for row, name in zip(rows, names, strict=True):
        label = name if names.count(name) == 1 else f"{name} ({row.proxy})"
        parts.append(curve_table(_of_search(layers, row)).assign(proxy=label))
    stops = ["stopped_at", "stopped_with", "seeds"]
    return _joined(parts, ["proxy", "trained_architectures", *_QUARTILES, *stops])


def _of_search(table: pd.DataFrame, row: Row) -> pd.DataFrame:
    same = [table[name] == getattr(row, name) for name in ("task", "proxy", "search")]
    return table[np.logical_and.reduce(same)]


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    known = ["objectives", *columns, "accuracy_floor_percent", *fronts.SOURCES]
    return pd.concat(parts, ignore_index=True)[known]


@style.applied()
def draw_convergence(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw what :func:`convergence_table` returns, in a panel for each set of objectives."""
    title = f"{row.device}, {row.task}: searches with {row.proxy_label}"
    footer = _footer(plotted, row.proxy_label, "bars: quartiles, of each search in turn")
    shares = plotted[["q25", "q75", "ceiling"]]
    made, panels = _panels(plotted, title, footer, "evaluations", shares)
    for axes, curves in panels:
        of_search = curves.groupby("search", sort=False)
        for position, (search, curve) in enumerate(of_search):
            colour, dashes, wide = _SEARCHES[position % len(_SEARCHES)]
            x, median = style.xy(curve, "evaluations", "median")
            how = {"color": colour, "linestyle": dashes, "linewidth": wide, "label": search}
            axes.plot(x, median, zorder=3 - 0.1 * position, **how)
            # In turn, so that bars of different searches do not stand on each other.
            turn = np.arange(len(x)) % len(of_search) == position
            low, high = curve["q25"].to_numpy()[turn], curve["q75"].to_numpy()[turn]
            axes.vlines(x[turn], low, high, color=colour, linewidth=0.8, zorder=2)
        how = {"color": style.INK, "linewidth": 0.7, "label": f"exact front of {row.proxy_label}"}
        axes.axhline(curves["ceiling"].iloc[0], zorder=1.5, **how)
    style.legend(made, made.axes[0], columns=5 if len(panels) > 1 else 3)
    return made


@style.applied()
def draw_peeling(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw what :func:`peeling_table` returns, in a panel for each set of objectives."""
    title = f"{row.device}, {row.task}: fronts of {row.search_label}, layer by layer trained"
    (first, _), *others = plotted.drop_duplicates("proxy")[["proxy", "proxy_source"]].to_numpy()
    footer = [
        "A line begins where all seeds have trained their predicted fronts; dots: medians of where "
        "peeling stops and of what it has by then.",
        *_footer(plotted, first, "bands: quartiles"),
        *(f"{proxy}: {source}." for proxy, source in others),
    ]
    shares = plotted[["q25", "q75"]].assign(whole=1.0)
    made, panels = _panels(plotted, title, footer, "trained_architectures", shares)
    for axes, curves in panels:
        for position, (proxy, curve) in enumerate(curves.groupby("proxy", sort=False)):
            turn, place = divmod(position, len(_COLOURS))
            colour, dashes = _COLOURS[place], _DASHES[turn % len(_DASHES)]
            x, median = style.xy(curve, "trained_architectures", "median")
            # Stairs: what is being trained counts when its layer is done.
            how = {"linestyle": dashes, "drawstyle": "steps-post", "zorder": 3 - 0.1 * position}
            axes.plot(x, median, color=colour, label=proxy, **how)
            band = {"step": "post", "alpha": 0.15, "linewidth": 0, "zorder": 1}
            axes.fill_between(x, curve["q25"], curve["q75"], color=colour, **band)
            stop = {"marker": "o", "markersize": 4, "color": colour, "zorder": 4}
            style.draw_marks(axes, curve.iloc[:1], "stopped_at", "stopped_with", **stop)
        axes.axhline(1, color=style.TRUE, linewidth=0.7, label="true front", zorder=1.5)
    style.legend(made, made.axes[0], columns=5 if len(panels) > 1 else 3)
    return made


def _panels(
    plotted: pd.DataFrame, title: str, footer: Sequence[str], x: str, shares: pd.DataFrame
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Return a figure with an empty panel for each set of objectives, and the curves of each.

    ``shares``: all that is drawn upwards.
    """
    parts = plotted.groupby("objectives", sort=False)
    width = style.TWO_COLUMNS if len(parts) > 1 else style.ONE_COLUMN
    made = style.figure(width, 2.9, title, footer)
    axes = made.subplots(1, len(parts), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (objectives, _) in zip(axes, parts, strict=True):
        *names, last = (fronts.IN_WORDS[name] for name in str(objectives).split("+"))
        panel.set_title(f"in {', '.join(names)} and {last}", loc="left")
        panel.set_xlabel(style.label(x, arrow=False))
    style.set_scale(axes[0], "x", [0, plotted[x].max()], x)
    style.set_scale(axes[0], "y", shares, "normalised_hypervolume")
    axes[0].set_ylabel(style.label("normalised_hypervolume"))
    return made, [(panel, curves) for panel, (_, curves) in zip(axes, parts, strict=True)]


def _footer(plotted: pd.DataFrame, proxy: str, bars: str) -> list[str]:
    """Return what lines over seeds, ``bars`` around them and 1 mean, and what comes from where."""
    fewest, most = int(plotted["seeds"].min()), int(plotted["seeds"].max())
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' * (most > 1)}"
    floor = f"{plotted['accuracy_floor_percent'].iloc[0]:g} %"
    metrics = max(plotted["objectives"], key=len).split("+")[1:]
    return [
        f"Lines: medians of {seeds}; {bars}.",
        f"1 is the true front of all networks that reach {floor} accuracy.",
        *fronts.sources(plotted, metrics, proxy),
    ]
