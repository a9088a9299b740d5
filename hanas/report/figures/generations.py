"""How a search moves: what it evaluated in several generations, in space and in projections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from PIL import Image

from hanas.core.files import replacing
from hanas.core.pareto import non_dominated
from hanas.fronts.rows import Row
from hanas.report.figures import points, style

#: How many generations stand beside each other.
COLUMNS = 4

_NEW, _NEW_MARK = style.BESIDE[1]
_MARKS: dict[str, dict[str, Any]] = {
    "evaluated before": {"marker": "o", "color": style.CLOUD, "markersize": 1.8, "zorder": 1},
    "this generation": {"marker": _NEW_MARK, "color": _NEW, "markersize": 2.6, "zorder": 2},
    "front so far": {"marker": "o", "color": style.FOUND, "markersize": 3.4, "zorder": 3},
}
#: Inches: the width of the animation, which is read on a screen.
_ANIMATED = 5.0
#: Milliseconds: a frame, and the last one, which is looked at for longer.
FRAME_MS = 450
LAST_FRAME_MS = 3000

_DOTS_PER_INCH = 160
# A GIF file can have 256, but keeps small with some left to mark what did not change.
_COLOURS = 128


def table(space: pd.DataFrame, row: Row, history: pd.DataFrame) -> pd.DataFrame:
    """Return what the first seed of a search evaluated, in order.

    ``space`` is that of :func:`hanas.report.figures.points.space_table`.

    ``search``, its label; ``generation``; ``front_until``, the last generation at whose end the
    architecture was on the front of everything evaluated, in the eyes of the proxy, and one less
    than ``generation`` where it never was; ``evaluation``; ``arch``, errors, metrics and sources.
    """
    seen = points.evaluated(space, history).assign(search=row.search_label)
    generation = seen["generation"].to_numpy()
    searched = seen[_objectives(seen)].to_numpy(dtype=np.float64)
    until = generation - 1
    for now in np.unique(generation):
        rows = np.flatnonzero(generation <= now)
        until[rows[non_dominated(searched[rows])]] = now
    columns = ["search", "generation", "front_until", "evaluation", *space.columns]
    return seen.assign(front_until=until)[columns]


def generations_of(plotted: pd.DataFrame) -> list[int]:
    """Return all generations; samples that were drawn before the first are none."""
    numbers = np.unique(plotted["generation"].to_numpy())
    return (numbers[numbers >= 0] if (numbers >= 0).any() else numbers).tolist()


def draw(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw :data:`COLUMNS` generations of what :func:`table` returns, the first and the last too.

    Each in the searched objectives: with two metrics in space and in its three projections, with
    one as it is.
    """
    known = generations_of(plotted)
    evenly = np.linspace(0, len(known) - 1, min(len(known), COLUMNS))
    chosen = [known[at] for at in sorted({round(at) for at in evenly})]
    lines = views(plotted)
    heights = [1.9 if len(view) == 3 else 1.5 for view in lines]
    with style.applied():
        made = _figure(plotted, row, style.TWO_COLUMNS, 0.9 + sum(heights))
        grid = made.add_gridspec(len(lines), len(chosen), height_ratios=heights)
        for line, view in enumerate(lines):
            for column, generation in enumerate(chosen):
                axes = _add_panel(made, grid[line, column], plotted, view, row, inner=column > 0)
                _draw_generation(axes, plotted, view, generation)
                if line == 0:
                    axes.set_title(f"generation {generation}")
        style.legend(made, made.axes[0])
    return made


def animate(plotted: pd.DataFrame, row: Row, path: str | Path) -> None:
    """Write an animation of all generations of what :func:`table` returns, a frame for each."""
    shown = views(plotted)
    with style.applied():
        made = _figure(plotted, row, _ANIMATED, 3.4 if len(shown) == 1 else 5.2)
        columns = 1 if len(shown) == 1 else 2
        grid = made.add_gridspec(-(-len(shown) // columns), columns)
        panels = [
            (_add_panel(made, grid[divmod(at, columns)], plotted, view, row), view)
            for at, view in enumerate(shown)
        ]
        first = panels[0][0]
        drawn: list[Line2D] = []

        def show(generation: int) -> list[Artist]:
            while drawn:
                drawn.pop().remove()
            for axes, view in panels:
                drawn.extend(_draw_generation(axes, plotted, view, generation))
            evaluated = int((plotted["generation"] <= generation).sum())
            said = f"generation {generation}: {evaluated:,} evaluated"
            title = first.set_title(said, loc="left")
            if not made.legends:
                style.legend(made, first)
            return [*drawn, title]

        _write_gif(made, show, generations_of(plotted), path)


def views(plotted: pd.DataFrame) -> list[list[str]]:
    """Return the columns on the axes of each view: in space first, then the projections."""
    proxy, *metrics = _objectives(plotted)
    flat = [[metric, proxy] for metric in metrics]
    return [[*metrics, proxy], *flat, metrics] if len(metrics) == 2 else flat


def _objectives(plotted: pd.DataFrame) -> list[str]:
    return [points.proxy_column(plotted), *points.metrics_in(plotted)]


def _figure(plotted: pd.DataFrame, row: Row, width: float, height: float) -> Figure:
    title = f"{row.device}, {row.task}: {plotted['search'].iloc[0]} with {row.proxy_label}"
    return style.figure(width, height, title, points.footer(plotted, row, truth=False))


def _add_panel(
    made: Figure,
    place: SubplotSpec,
    plotted: pd.DataFrame,
    view: Sequence[str],
    row: Row,
    *,
    inner: bool = False,
) -> Axes:
    """Add an empty panel whose axes fit all generations, an inner one with fewer words."""
    in_space = len(view) == 3
    axes = made.add_subplot(place, projection="3d" if in_space else None)
    for which, column in zip("xyz", view, strict=False):
        style.set_scale(axes, which, plotted[column], column, ticks=4)
        text = style.label(column, row.proxy_label)
        # In space words take much room, and panels below name the same axes.
        if inner and (in_space or which == "y"):
            text = ""
        elif not (in_space or inner):
            text = style.less_is_better(text)
        getattr(axes, f"set_{which}label")(text)
    if in_space:
        _tidy(axes)
    if inner:
        height = getattr(axes, f"{'xyz'[len(view) - 1]}axis")
        height.set_tick_params(labelleft=False, labelright=False)
    return axes


def _draw_generation(
    axes: Axes, plotted: pd.DataFrame, view: Sequence[str], generation: int
) -> list[Line2D]:
    """Draw what was evaluated until a generation and return the marks, those below first."""
    until = plotted["front_until"].to_numpy()
    born = plotted["generation"].to_numpy()
    masks = {
        "evaluated before": born < generation,
        "this generation": born == generation,
        "front so far": (born <= generation) & (generation <= until),
    }
    values = [style.shown(plotted[column], column) for column in view]
    lines = []
    for name, mask in masks.items():
        lines += axes.plot(
            *(column[mask] for column in values),
            linestyle="none",
            markeredgecolor="white",
            markeredgewidth=0.3 if name == "front so far" else 0,
            label=name,
            rasterized=name == "evaluated before",
            **_MARKS[name],
        )
    return lines


def _tidy(axes: Any) -> None:
    """Put the height of a panel in space on the left, as in flat ones, with small words."""
    axes.view_init(elev=22, azim=-58)
    axes.set_box_aspect(None, zoom=1.0)
    axes.zaxis.set_ticks_position("lower")
    axes.zaxis.set_label_position("lower")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set(facecolor="white", edgecolor=style.GRID)
        axes.tick_params(axis=axis.axis_name, labelsize=5.5, pad=-3)
        axis.label.set_fontsize(6)
        axis.labelpad = -8
    axes.zaxis.set_rotate_label(False)
    axes.zaxis.label.set_rotation(90)


def _write_gif(
    made: Figure, show: Callable[[int], list[Artist]], states: Sequence[int], path: str | Path
) -> None:
    """Write a GIF file that shows a figure in one state after the other, in its exact colours.

    ``show`` changes the figure to a state and returns what it drew for it, the lowest first.
    Panels stay where they are in the last state, and all frames have its colours, so nothing
    flickers; what no state changes is drawn once. Equal figures give equal bytes.
    """
    made.set_dpi(_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(made)
    changing = show(states[-1])
    canvas.draw()
    made.set_layout_engine("none")
    for artist in changing:
        artist.set_visible(False)
    canvas.draw()
    unchanged = canvas.copy_from_bbox(made.bbox)
    frames = []
    for state in states:
        canvas.restore_region(unchanged)
        for artist in show(state):
            artist.set_visible(True)
            artist.draw(canvas.get_renderer())
        # 0xRRGGBB, uint32 (height, width); the paper is opaque.
        red, green, blue, _ = np.moveaxis(np.asarray(canvas.buffer_rgba(), dtype=np.uint32), 2, 0)
        frames.append(red << 16 | green << 8 | blue)
    colours, counts = np.unique(frames[-1], return_counts=True)
    commonest = colours[np.argsort(-counts, kind="stable")[:_COLOURS]]
    first, *others = [_indexed(frame, commonest) for frame in frames]
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=[*[FRAME_MS] * len(others), LAST_FRAME_MS],
            loop=0,
        )


def _indexed(frame: np.ndarray, palette: np.ndarray) -> Image.Image:
    """Return a picture in the palette's colours, each the nearest; those of the palette stay."""
    where, colours = pd.factorize(frame.ravel())
    distances = ((_channels(colours)[:, None] - _channels(palette)[None]) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)
    made = Image.fromarray(nearest[where].reshape(frame.shape), mode="P")
    made.putpalette(_channels(palette).astype(np.uint8).tobytes())
    return made


def _channels(colours: np.ndarray) -> np.ndarray:
    """Return red, green and blue, int64 (N, 3), of 0xRRGGBB."""
    return colours[:, None].astype(np.int64) >> np.array([16, 8, 0]) & 255
