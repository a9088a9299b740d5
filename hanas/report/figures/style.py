"""The one style of all figures: colours, sizes, axes, the line of sources, files.

Colours stay apart for colour-blind eyes and on paper without colour, where marks differ too.
Fonts are embedded in PDF and drawn as outlines in SVG; no file holds a date, so equal data give
equal bytes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from PIL import Image

from hanas.core.files import replacing

INK = "#1b1b1b"
SOFT = "#595959"
GRID = "#e4e4e4"
#: The found front, the true front, everything evaluated.
FOUND = "#c4161c"
TRUE = "#00559e"
CLOUD = "#a3a3a3"
#: Colour and mark of what stands beside the found front, in order.
BESIDE = (("#009e73", "^"), ("#e69f00", "s"), ("#6a3d9a", "D"), ("#56b4e9", "v"))
#: Of marks, so that those that touch can be told apart.
EDGED: Any = {"markeredgecolor": "white", "markeredgewidth": 0.3}
#: Inches: a text column and a page of two columns.
ONE_COLUMN = 3.5
TWO_COLUMNS = 7.16
#: Values that span more than this factor get a logarithmic axis. Errors do so early: nearly all
#: networks are good ones, and a few guess.
LOG_FACTOR = 50
LOG_FACTOR_OF_ERRORS = 5
#: Numbers that a logarithmic axis begins at; before, ratios would be none.
_LEAST_OF_LOG = 1e-30
_TITLE_POINTS = 8.5
_FOOTER_POINTS = 5.5
_LONG = 18  # letters of an axis label that the arrow does not fit beside
_LEFT = 0.06  # inches from the edge to the title
_RC: Any = {  # not typed, as matplotlib's own keys are literals
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 7.5,
    "text.parse_math": False,  # a $ in a label is none
    **dict.fromkeys(("axes.titlesize", "axes.labelsize"), 7.5),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 6.5),
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.4,
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), SOFT),
    **dict.fromkeys(("axes.labelcolor", "axes.titlecolor", "text.color"), INK),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,  # TrueType, embedded: text stays text
    "svg.fonttype": "path",  # outlines: the same in every browser
    "svg.hashsalt": "hanas",
}
#: Of PNG files, and of what is pixels in vector files.
_DOTS_PER_INCH = 300
_LABELS = {
    "latency_ms": "latency (ms)",
    "energy_mj": "energy (mJ)",
    "true_error": "true error (%)",
    "proxy_error": "{proxy} error (%)",
    "proxy_cross_entropy": "{proxy} cross-entropy (nat)",
    "proxy_centred_cross_entropy": "{proxy} centred cross-entropy (nat)",
    "proxy_int8_error": "{proxy} INT8 error (%)",
    "proxy_int8_cross_entropy": "{proxy} INT8 cross-entropy (nat)",
    "proxy_int8_centred_cross_entropy": "{proxy} INT8 centred cross-entropy (nat)",
    "proxy_score": "{proxy} score",
    "normalised_hypervolume": "normalised hypervolume",
    "evaluations": "unique evaluations",
    "trained_architectures": "architectures trained",
}
#: Use the style inside a function or a block, whatever the user's own settings are.
applied = partial(matplotlib.style.context, _RC, after_reset=True)


def figure(width: float, height: float, title: str, footer: Iterable[str]) -> Figure:
    """Return an empty figure, in inches, whose panels keep clear of its title and its footer.

    Both are broken into as many lines as they need; the footer, sentences that say where the
    numbers come from, adds to the height.
    """
    characters = int(width * 72 / (_FOOTER_POINTS * 0.56))
    # A no-break space keeps a number and its per cent on one line.
    said = " ".join(footer).replace(" %", "\u00a0%")
    lines = textwrap.wrap(said, characters, break_on_hyphens=False)
    below = (len(lines) * 1.3 + 0.8) * _FOOTER_POINTS / 72
    title_lines = textwrap.wrap(title, int(width * 72 / (_TITLE_POINTS * 0.64)))
    above = (len(title_lines) * 1.25 + 0.65) * _TITLE_POINTS / 72
    whole = height + below
    made = Figure(figsize=(width, whole))
    rect = (0, below / whole, 1, 1 - (below + above) / whole)
    made.set_layout_engine("constrained", rect=rect, w_pad=0.05, h_pad=0.05)
    left, top = _LEFT / width, 1 - 0.5 * _TITLE_POINTS / 72 / whole
    of_title = {"fontsize": _TITLE_POINTS, "fontweight": "bold", "linespacing": 1.2, "va": "top"}
    made.text(left, top, "\n".join(title_lines), **of_title)
    of_footer = {"fontsize": _FOOTER_POINTS, "color": SOFT, "linespacing": 1.25, "va": "bottom"}
    made.text(left, 0.4 * _FOOTER_POINTS / 72 / whole, "\n".join(lines), **of_footer)
    return made


def label(column: str, proxy: str = "proxy", *, arrow: bool = True) -> str:
    """Return the name and the unit of a column; ``arrow`` to where it is better, maybe a line more.

    On a vertical axis the arrow is turned with the label: the left one points down.
    """
    text = _LABELS[column].format(proxy=proxy)
    if not arrow:
        return text
    way = "better →" if column == "normalised_hypervolume" else "← better"
    return f"{text}\n{way}" if len(text) > _LONG else f"{way}     {text}"


def shown(values: Any, column: str) -> np.ndarray:
    """Return values, float64, as they stand on an axis: errors, fractions, in per cent."""
    array = np.asarray(values, dtype=np.float64)
    return array * 100 if column.endswith("_error") else array


def set_scale(axes: Axes, which: str, values: Any, column: str, *, ticks: int = 6) -> None:
    """Fit the axis x, y or z of a panel to values of a column, with few plain numbers at its ticks.

    It is logarithmic if the values span more than a factor of :data:`LOG_FACTOR`, errors
    :data:`LOG_FACTOR_OF_ERRORS`. ``ticks`` is about how many steps to mark. What is no number, or
    infinite, is not drawn.
    """
    axis = getattr(axes, f"{which}axis")
    on_axis = shown(values, column)
    finite = on_axis[np.isfinite(on_axis)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    factor = LOG_FACTOR_OF_ERRORS if column.endswith("_error") else LOG_FACTOR
    if low > _LEAST_OF_LOG and high / low > factor:
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        margin = (high / low) ** 0.04
        limits = low / margin, high * margin
    else:
        axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
        margin = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
        limits = low - margin, high + margin
    axes.set(**{f"{which}lim": limits})


def xy(points: pd.DataFrame, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two columns as they stand on the axes."""
    return shown(points[x], x), shown(points[y], y)


def draw_marks(axes: Axes, points: pd.DataFrame, x: str, y: str, **how: Any) -> None:
    """Draw points as marks that no line joins."""
    axes.plot(*xy(points, x, y), linestyle="none", **how)


def legend(made: Figure, axes: Axes, columns: int = 4) -> None:
    """Put the legend of a panel above all panels, below the title, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(columns, len(labels))
    engine = cast(ConstrainedLayoutEngine, made.get_layout_engine())
    left, bottom, width, height = engine.get()["rect"]
    corner = (_LEFT / made.get_figwidth(), bottom + height)
    place: Any = {"loc": "upper left", "bbox_to_anchor": corner, "borderaxespad": 0, "borderpad": 0}
    made.legend(handles, labels, ncols=columns, **place).set_in_layout(False)
    lines = math.ceil(len(labels) / columns)
    above = (lines * 1.6 + 0.6) * _RC["legend.fontsize"] / 72 / made.get_figheight()
    engine.set(rect=(left, bottom, width, height - above))


@applied()
def save(made: Figure, pdf: str | Path, svg: str | Path, png: str | Path) -> None:
    """Write a figure to three files of one layout, with no date in them."""
    made.set_dpi(_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    # Laid out and drawn once for each file; Figure.savefig would do both twice.
    made.set_layout_engine("none")
    with replacing(png) as temporary:
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))
        picture.save(temporary, format="PNG", dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))
    with replacing(pdf) as temporary:
        FigureCanvasPdf(made).print_pdf(temporary, metadata={"CreationDate": None})
    made.set_dpi(_DOTS_PER_INCH)
    with replacing(svg) as temporary:
        FigureCanvasSVG(made).print_svg(temporary, metadata={"Date": None})
