"""A part of the cells of NAS-Bench-201, in the place of all."""

import numpy as np

from hanas.proxies.scoring.cells import distinct_cells


def some_cells(space, batch_norm: str, *, groups: int = 8, of_group: int = 1):
    """Return what distinct_cells does: every few groups, and every few of their cells.

    All other cells are said to be the first one.
    """
    distinct, which = distinct_cells(space, batch_norm)
    number = np.unique(distinct[:, :3], axis=0, return_inverse=True)[1]
    rows = np.flatnonzero(number % groups == 0)[::of_group]
    place = np.zeros(len(distinct), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return distinct[rows], place[which]
