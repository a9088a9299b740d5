"""An animation: a figure that changes, as a GIF file in the exact colours of the figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
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

State = TypeVar("State")


def write(
    made: Figure, show: Callable[[State], list[Artist]], states: Sequence[State], path: str | Path
) -> None:
    """Write a GIF file that shows a figure in one state after the other, for ever.

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
