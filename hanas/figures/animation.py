"""Animations: a figure that changes, as a GIF file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from hanas.files import replacing

#: Milliseconds: a frame, and the last one, which is looked at for longer.
FRAME_MS = 450
LAST_FRAME_MS = 3000

_DOTS_PER_INCH = 160
_COLOURS = 64  # few are drawn; the rest are their soft edges

State = TypeVar("State")


def write(
    made: Figure, show: Callable[[State], None], states: Sequence[State], path: str | Path
) -> None:
    """Write a GIF file that shows a figure in one state after the other, for ever.

    Panels stay where they are in the last state, and all frames have its colours, so nothing
    flickers. Equal figures give equal bytes.

    Parameters
    ----------
    made
        The figure.
    show
        Changes the figure to a state.
    states
        At least one; a frame each.
    path
        The file.
    """
    made.set_dpi(_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(made)
    show(states[-1])
    canvas.draw()
    made.set_layout_engine("none")
    frames = [_frame(canvas, show, state) for state in states]
    # This method keeps pure white.
    palette = frames[-1].quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=[*[FRAME_MS] * len(others), LAST_FRAME_MS],
            loop=0,
        )


def _frame(canvas: FigureCanvasAgg, show: Callable[[State], None], state: State) -> Image.Image:
    show(state)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
