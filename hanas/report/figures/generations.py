"""How a search moves: what it evaluated in several generations, in space and in projections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from scipy.spatial.distance import cdist

from hanas.core.files import replacing
from hanas.core.pareto import non_dominated
from hanas.fronts.picks import SEED
from hanas.fronts.rows import Row
from hanas.report.figures import fronts, style

#: How many generations stand beside each other.
COLUMNS = 4
#: Inches: the width of the animation, which is read on a screen.
_ANIMATED = 5.0
#: Milliseconds: a frame, and the last one, which is looked at for longer.
FRAME_MS = 450
LAST_FRAME_MS = 3000
#: By the number of axes of a panel.
_PROJECTIONS = {2: None, 3: "3d"}
_DOTS_PER_INCH = 160
# A GIF file can have 256, but keeps small with some left to mark what did not change.
_COLOURS = 128


def table(space: pd.DataFrame, row: Row, history: pd.DataFrame) -> pd.DataFrame:
    """Return what the first seed of a search evaluated of :func:`.fronts.space_table`, in order.

    ``search``, its label; ``generation``; ``front_until``, the last generation at whose end the
    architecture was on the front of everything evaluated, in the eyes of the proxy, and one less
    than ``generation`` where it never was; ``evaluation``; ``arch``, errors, metrics and sources.
    """
    seen = fronts.evaluated(space, history).assign(search=row.search_label)
    generation = seen["generation"].to_numpy()
    searched = seen[fronts.objectives_in(seen)].to_numpy(dtype=np.float64)
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


@style.applied()
def draw(plotted: pd.DataFrame, row: Row) -> Figure:
    """Draw :data:`COLUMNS` generations of what :func:`table` returns, the first and the last too.

    Each in the searched objectives: with two metrics in space and in its three projections, with
    one as it is.
    """
    known = generations_of(plotted)
    chosen = [known[round(at)] for at in np.linspace(0, len(known) - 1, min(len(known), COLUMNS))]
    lines = views(plotted)
    heights = [1.9 if len(view) == 3 else 1.5 for view in lines]
    made = _figure(plotted, row, style.TWO_COLUMNS, 0.9 + sum(heights))
    grid = made.add_gridspec(len(lines), len(chosen), height_ratios=heights)
    for line, view in enumerate(lines):
        for column, generation in enumerate(chosen):
            axes = made.add_subplot(grid[line, column], projection=_PROJECTIONS[len(view)])
            _set_up(axes, plotted, view, row, inner=column > 0)
            _draw_generation([(axes, view)], plotted, generation)
            if line == 0:
                axes.set_title(f"generation {generation}")
    style.legend(made, made.axes[0])
    return made


@style.applied()
def animate(plotted: pd.DataFrame, row: Row, path: str | Path) -> None:
    """Write an animation (GIF) of all generations of what :func:`table` returns, a frame for each.

    Panels stay where they are in the last frame, and all frames have its exact colours, so nothing
    flickers; what no generation changes is drawn once. Equal tables give equal bytes.
    """
    shown = views(plotted)
    rows, columns, height = (1, 1, 3.4) if len(shown) == 1 else (2, 2, 5.2)
    made = _figure(plotted, row, _ANIMATED, height)
    made.set_dpi(_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(made)
    grid = made.add_gridspec(rows, columns)
    panels = []
    for place, view in zip(np.ndindex(rows, columns), shown, strict=True):
        axes = made.add_subplot(grid[place], projection=_PROJECTIONS[len(view)])
        _set_up(axes, plotted, view, row, inner=False)
        panels.append((axes, view))
    panel, born = panels[0][0], plotted["generation"].to_numpy()

    def draw_state(generation: int) -> list[Artist]:
        """Draw a generation and return what is drawn for it, the lowest first."""
        marks = _draw_generation(panels, plotted, generation)
        evaluated = (born <= generation).sum()
        said = f"generation {generation}: {evaluated:,} evaluated"
        return [*marks, panel.set_title(said, loc="left")]

    generations = generations_of(plotted)
    changing = draw_state(generations[-1])
    style.legend(made, panel)
    canvas.draw()
    made.set_layout_engine("none")
    for artist in changing:
        artist.set_visible(False)
    canvas.draw()
    unchanged = canvas.copy_from_bbox(made.bbox)
    frames = []
    for generation in generations:
        canvas.restore_region(unchanged)
        for artist in draw_state(generation):
            artist.set_visible(True)
            artist.draw(canvas.get_renderer())
        # 0xRRGGBB, (height, width); the paper is opaque.
        frames.append(np.array(canvas.buffer_rgba()).view(">u4")[..., 0] >> 8)
    colours, counts = np.unique(frames[-1], return_counts=True)
    commonest = colours[np.argsort(-counts, kind="stable")[:_COLOURS]]
    first, *others = [_indexed(frame, commonest) for frame in frames]
    durations = [*[FRAME_MS] * len(others), LAST_FRAME_MS]
    how = {"save_all": True, "append_images": others, "duration": durations, "loop": 0}
    with replacing(path) as temporary:
        first.save(temporary, format="GIF", **how)


def views(plotted: pd.DataFrame) -> list[list[str]]:
    """Return the columns on the axes of each view: in space first, then the projections."""
    proxy, *metrics = fronts.objectives_in(plotted)
    flat = [[metric, proxy] for metric in metrics]
    return [[*metrics, proxy], *flat, metrics] if len(metrics) == 2 else flat


def _figure(plotted: pd.DataFrame, row: Row, width: float, height: float) -> Figure:
    title = f"{row.device}, {row.task}: {row.search_label} with {row.proxy_label}"
    _, *metrics = fronts.objectives_in(plotted)
    _, *sources = fronts.sources(plotted, metrics, row.proxy_label)
    return style.figure(width, height, title, [f"Seed {SEED}.", *sources])


def _set_up(axes: Any, plotted: pd.DataFrame, view: list[str], row: Row, inner: bool) -> None:
    """Fit the axes of an empty panel to all generations, an inner one with fewer words."""
    in_space = len(view) == 3
    for which, column in zip("xyz", view, strict=False):
        style.set_scale(axes, which, plotted[column], column, ticks=4)
        # In space words take much room, and panels below name the same axes.
        words = not inner or not (in_space or which == "y")
        text = style.label(column, row.proxy_label, arrow=not (in_space or inner)) if words else ""
        axes.set(**{f"{which}label": text})
    if in_space:  # the height on the left, as in flat ones, and small words
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
    if inner:
        height = axes.zaxis if in_space else axes.yaxis
        height.set_tick_params(labelleft=False, labelright=False)


def _draw_generation(
    panels: Sequence[tuple[Axes, Sequence[str]]], plotted: pd.DataFrame, generation: int
) -> list[Line2D]:
    """Draw what was evaluated until a generation and return the marks, those below first."""
    until, born = plotted["front_until"].to_numpy(), plotted["generation"].to_numpy()
    new, new_mark = style.BESIDE[1]
    marks = [  # name, which, mark, its colour, size and edge
        ("evaluated before", born < generation, "o", style.CLOUD, 1.8, 0),
        ("this generation", born == generation, new_mark, new, 2.6, 0),
        ("front so far", (born <= generation) & (generation <= until), "o", style.FOUND, 3.4, 0.3),
    ]
    lines = []
    for axes, view in panels:
        values = [style.shown(plotted[column], column) for column in view]
        for level, (name, which, mark, colour, size, edge) in enumerate(marks, start=1):
            how = {"marker": mark, "color": colour, "markersize": size, "label": name}
            how |= {"markeredgecolor": "white", "markeredgewidth": edge, "zorder": level}
            points = (column[which] for column in values)
            lines += axes.plot(*points, linestyle="none", rasterized=level == 1, **how)
    return lines


def _indexed(frame: np.ndarray, palette: np.ndarray) -> Image.Image:
    """Return a picture in the palette's colours, each the nearest; those of the palette stay."""
    colours, where = np.unique(frame, return_inverse=True)
    of_frame, of_palette = (each[:, None] >> [16, 8, 0] & 255 for each in (colours, palette))
    nearest = cdist(of_frame, of_palette, "sqeuclidean").argmin(axis=1).astype(np.uint8)
    made = Image.fromarray(nearest[where].reshape(frame.shape), mode="P")
    made.putpalette(of_palette.astype(np.uint8).tobytes())
    return made
