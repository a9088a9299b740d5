"""The truth about a whole space on one device, and what a set of architectures is worth in it.

The measure is the normalised hypervolume (E. Zitzler and L. Thiele, "Multiobjective Optimization
Using Evolutionary Algorithms - A Comparative Case Study", PPSN V, 1998) of the *true* objectives,
which are all minimised. An accuracy floor keeps cells whose input does not reach the output, which
are fast and guess, from stretching the true front and so from making every other front look good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, non_dominated, thinned

#: Orders in which architectures that look the same are met, where a ceiling depends on it.
_ORDERS = 100
#: Of floors: room for 1 - (1 - x) not being x in floats.
_TOLERANCE = 1e-12


def reaches(error: ArrayLike, accuracy_floor: float) -> np.ndarray:
    """Return which errors, float (N,), fractions, are of accuracies at or above a floor; bool (N,).

    An error that is not known (NaN) is not below the floor.
    """
    return ~(np.asarray(error, dtype=np.float64) > 1 - accuracy_floor + _TOLERANCE)


def reaches_percent(accuracy_percent: ArrayLike, floor_percent: float) -> np.ndarray:
    """Return the same of accuracies and a floor in percent."""
    return reaches(1 - np.asarray(accuracy_percent, dtype=np.float64) / 100, floor_percent / 100)


def to_unit_box(points: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Return ``points``, float64 (N, M), in units in which a front spans the unit box.

    0 is its ideal, the best of each objective, and 1 its nadir, the worst. Raises InputError if an
    objective is the same on the whole front.
    """
    ideal, nadir = front.min(axis=0), front.max(axis=0)
    for objective in np.flatnonzero(nadir == ideal):
        raise InputError(
            f"true front: objective {objective} is {ideal[objective]:g} everywhere, so it cannot "
            "be scaled; compare fronts without this objective"
        )
    return (points - ideal) / (nadir - ideal)


def normalised_hypervolume(points: np.ndarray, front: np.ndarray) -> float:
    """Return the hypervolume of ``points`` over that of a true front, 1 for the true front.

    Objectives are scaled by :func:`to_unit_box`, the reference point is (1, ..., 1), and what
    lies outside the box counts for nothing: points beyond the nadir are left out, points beyond
    the ideal are moved onto the box. Raises InputError if the true front has no extent in an
    objective or no volume: its extreme points carry none, so it needs three, for two objectives.
    """
    return _volume_in_box(to_unit_box(points, front)) / _volume_of_front(front)


def _volume_in_box(scaled: np.ndarray, reference: float = 1) -> float:
    return moocore.hypervolume(np.maximum(scaled, 0), ref=reference)


def _volume_of_front(front: np.ndarray) -> float:
    volume = _volume_in_box(to_unit_box(front, front))
    if volume == 0:
        raise InputError(
            "true front: its hypervolume is 0, because each of its points is the worst in some "
            "objective; there is nothing to compare with"
        )
    return volume


@dataclass(frozen=True)
class Truth:
    """True error and hardware metrics of the N architectures that the device can run."""

    archs: pd.Index  # canonical texts
    objectives: np.ndarray  # float64 (N, 1 + metrics), minimised: true error, a fraction; metrics
    metrics: tuple[str, ...]
    scaled: np.ndarray  # objectives in the units of the true front: 0 its ideal, 1 its nadir
    reaches_floor: np.ndarray  # bool (N,): whether the true accuracy is at least the floor
    front_rows: np.ndarray  # rows of the true front of what reaches it, with all that are equal
    front: np.ndarray  # float64 (K, 1 + metrics): their objectives, all different
    scaled_front: np.ndarray  # in its units
    reference: float  # of hypervolumes, in each objective, in the front's units
    front_volume: float  # its hypervolume
    accuracy_floor: float  # a fraction
    accuracy_source: str
    metrics_source: str

    @property
    def name(self) -> str:
        """The objectives in words, such as ``error+latency_ms``."""
        return "+".join(["error", *self.metrics])

    def worthy(self, rows: np.ndarray) -> np.ndarray:
        """Return those of ``rows`` that can be run and reach the accuracy floor."""
        rows = rows[rows >= 0]
        return rows[self.reaches_floor[rows]]

    def share(self, rows: np.ndarray) -> float:
        """Return the normalised hypervolume, 0 to 1, of the architectures in ``rows``."""
        # Rounded, so that equal fronts do not differ by the order in which they were summed.
        volume = _volume_in_box(self.scaled[self.worthy(rows)], self.reference)
        return round(volume / self.front_volume, 12)

    def ceiling(
        self, searched: np.ndarray, rows: np.ndarray, most: int | None = None
    ) -> tuple[float, float]:
        """Return the share of the exact front of what was searched: the proxy's oracle bound.

        Of ``rows``, int (K,), of ``searched``, float (N, M), minimised: the proxy, then the
        metrics. Of architectures that look the same a searcher takes one, whichever it meets
        first: taking all would credit a coarse proxy, to which thousands of cells look equally
        optimal, with a choice that only the truth could make. So this is the mean over 100 orders
        in which they are met, the same in every call, and its deviation.

        With ``most`` that front is thinned first to so many that look different, by what was
        searched and never by the truth (:func:`hanas.core.pareto.thinned`).
        """
        front = rows[non_dominated(searched[rows])]
        if most is not None:
            different = np.unique(searched[front], axis=0)
            kept = different[thinned(different, most)]
            front = front[(searched[front][:, None] == kept).all(axis=2).any(axis=1)]
        looks, inverse = np.unique(searched[front], axis=0, return_inverse=True)
        if len(looks) == len(front):
            return self.share(front), 0.0
        rng, shares = np.random.default_rng(0), []
        for _ in range(_ORDERS):
            order = rng.permutation(len(front))
            _, first = np.unique(inverse[order], return_index=True)
            shares.append(self.share(front[order[first]]))
        return float(np.mean(shares)), float(np.std(shares))


def _corners(front: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return ideal and nadir of a front, (2, M); of all ``points`` where it has no extent.

    An objective that is the same everywhere runs from its value to one more: it tells nothing.
    """
    ideal, nadir = front.min(axis=0), front.max(axis=0)
    nadir = np.where(nadir > ideal, nadir, points.max(axis=0))
    return np.array([ideal, np.where(nadir > ideal, nadir, ideal + 1)])


def truth_of_tables(
    accuracies: pd.DataFrame,
    metrics_table: pd.DataFrame,
    *,
    metrics: Sequence[str],
    accuracy_floor_percent: float,
    name: str,
) -> Truth:
    """Join an accuracy table and a device table into the truth about ``metrics`` as objectives.

    Architectures below the floor neither make the true front nor count in another. Raises
    InputError, with the ``name`` of what is judged, if an architecture of the device table has no
    accuracy, or none reaches the floor.

    A small true front is judged too. Where it is the same in an objective, such as a front of one
    architecture, the unit is what all that reaches the floor spans. Where each of its points is the
    worst in some objective, such as a front of two, the reference point is (2, ..., 2), since at
    (1, ..., 1) it has no volume: 1 + 1/H with H = 1, the number of gaps between two points
    (H. Ishibuchi et al., "How to Specify a Reference Point in Hypervolume Calculation for Fair
    Performance Comparison", Evolutionary Computation 26, 2018).
    """
    feasible = metrics_table[metrics_table["feasible"].to_numpy(dtype=bool)].set_index("arch")
    accuracy = accuracies.set_index("arch")["accuracy_percent"].reindex(feasible.index)
    missing = feasible.index[accuracy.isna()]
    if len(missing):
        raise InputError(f"{name}: {len(missing)} without accuracy, first: {missing[0]}")
    floor = accuracy_floor_percent / 100
    try:
        true = np.column_stack([1 - accuracy / 100, feasible[list(metrics)]])
        objectives = as_points(true, "true objectives")
        reaches_floor = reaches(objectives[:, 0], floor)
        rows = np.flatnonzero(reaches_floor)
        if len(rows) == 0:
            raise InputError(f"accuracy_floor: no architecture reaches {floor:g}; lower it")
        front_rows = rows[non_dominated(objectives[rows])]
        # Equal architectures are one point: none of them weighs more in IGD+.
        front = np.unique(objectives[front_rows], axis=0)
        corners = _corners(front, objectives[rows])
        scaled_front = to_unit_box(front, corners)
        reference = 1.0 if _volume_in_box(scaled_front) > 0 else 2.0
        return Truth(
            archs=feasible.index,
            objectives=objectives,
            metrics=tuple(metrics),
            scaled=to_unit_box(objectives, corners),
            reaches_floor=reaches_floor,
            front_rows=front_rows,
            front=front,
            scaled_front=scaled_front,
            reference=reference,
            front_volume=_volume_in_box(scaled_front, reference),
            accuracy_floor=floor,
            accuracy_source=str(accuracies["source"].iloc[0]),
            metrics_source=str(metrics_table["source"].iloc[0]),
        )
    except InputError as error:
        said = f"tasks.*.accuracy_floor_percent is {accuracy_floor_percent:g}"
        raise InputError(f"{name}: {error} ({said})") from error
