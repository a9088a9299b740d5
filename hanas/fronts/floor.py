"""Which architectures reach an accuracy floor: the one rule, with the one tolerance.

The floor keeps cells whose input does not reach the output, which are fast and guess, from
stretching the true front and so from making every other front look good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

#: Room for 1 - (1 - x) not being x in floats.
_TOLERANCE = 1e-12


def reaches(error: ArrayLike, accuracy_floor: float) -> np.ndarray:
    """Return which errors, float (N,), fractions, are of accuracies at or above a floor; bool (N,).

    An error that is not known (NaN) is not below the floor.
    """
    return ~(np.asarray(error, dtype=np.float64) > 1 - accuracy_floor + _TOLERANCE)


def reaches_percent(accuracy_percent: ArrayLike, floor_percent: float) -> np.ndarray:
    """Return the same of accuracies and a floor in percent."""
    return reaches(1 - np.asarray(accuracy_percent, dtype=np.float64) / 100, floor_percent / 100)
