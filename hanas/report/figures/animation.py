"""An animation: a figure that changes, as a GIF file in the exact colours of the figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from hanas.core.files import replacing

#: Milliseconds: a frame, and the last one, which is looked at for longer.
FRAME_MS = 450
LAST_FRAME_MS = 3000

_DOTS_PER_INCH = 160
# A GIF file can have 256, but keeps small with some left to mark what did not change.
_COLOURS = 128
_SHIFTS = np.array([1 << 16, 1 << 8, 1])

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
    palette = _commonest(frames[-1])
    first, *others = [_indexed(frame, palette) for frame in frames]
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=[*[FRAME_MS] * len(others), LAST_FRAME_MS],
            loop=0,
        )


def _frame(canvas: FigureCanvasAgg, show: Callable[[State], None], state: State) -> np.ndarray:
    """Return the picture of a state; int64 (height, width), 0xRRGGBB."""
    show(state)
    canvas.draw()
    channels = np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)  # the paper is opaque
    return channels @ _SHIFTS


def _commonest(frame: np.ndarray) -> np.ndarray:
    """Return the commonest colours of a picture, as many as are kept."""
    colours, counts = np.unique(frame, return_counts=True)
    return colours[np.argsort(-counts, kind="stable")[:_COLOURS]]


def _indexed(frame: np.ndarray, palette: np.ndarray) -> Image.Image:
    """Return a picture in the palette's colours, each the nearest; those of the palette stay."""
    colours, where = np.unique(frame, return_inverse=True)
    distances = ((_channels(colours)[:, None] - _channels(palette)[None]) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)
    made = Image.fromarray(nearest[where].reshape(frame.shape), mode="P")
    made.putpalette(_channels(palette).astype(np.uint8).tobytes())
    return made


def _channels(colours: np.ndarray) -> np.ndarray:
    """Return red, green and blue, int64 (N, 3), of 0xRRGGBB."""
    return colours[:, None] // _SHIFTS % 256
