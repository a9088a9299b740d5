"""The architecture to take from a front: the best within limits, and one that stands for all.

On a found front, what is best is said by the proxy, which the search knew, and never by true
accuracy, which the user of a device does not know before training. On a trained front
(:mod:`hanas.fronts.peeling`) it is the error that training has shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.search.run import METRICS
from hanas.spaces._space import Space

#: The run of a search that is shown and picked from.
SEED = 0
#: The columns of a search history that are no objectives.
NOT_OBJECTIVES = frozenset({"seed", "evaluation", "generation", "arch", "feasible", "score"})


def objectives_in(history: pd.DataFrame) -> list[str]:
    """Return the names of a history's objectives: the proxy's, then the device's metrics."""
    return [column for column in history if column not in NOT_OBJECTIVES]


def found_front(history: pd.DataFrame, space: Space) -> pd.DataFrame:
    """Return what no other :func:`feasible_evaluations` dominates, the point to prefer first.

    Preferred is the lower proxy objective; among equals the lower first metric, and so on.
    """
    feasible = feasible_evaluations(history, space)
    points = feasible[objectives_in(history)].to_numpy(dtype=float)
    return by_preference(feasible[non_dominated(points)])


def feasible_evaluations(history: pd.DataFrame, space: Space | None) -> pd.DataFrame:
    """Return ``arch``, ``evaluation`` and the objectives of what seed 0 of a search could run.

    With a ``space``, without what has no path from input to output: it can learn nothing, but
    tables of devices have numbers for it, which are among the lowest.
    """
    feasible = history[(history["seed"] == SEED) & history["feasible"].astype(bool)]
    if space is not None and len(feasible):
        genes = np.array([space.from_text(arch) for arch in feasible["arch"]])
        feasible = feasible[space.connected(genes)]
    return feasible[["arch", "evaluation", *objectives_in(history)]].reset_index(drop=True)


def require_feasible(found: pd.DataFrame) -> pd.DataFrame:
    """Return what was found. Raises InputError if that is no feasible architecture."""
    if found.empty:
        raise InputError("the search found no architecture that the device can run")
    return found


def by_preference(front: pd.DataFrame) -> pd.DataFrame:
    """Sort a front by its objectives, the first first; equal points as they were evaluated."""
    objectives = objectives_in(front)
    return front.sort_values([*objectives, "evaluation"], kind="stable", ignore_index=True)


def pick(front: pd.DataFrame, limits: Mapping[str, float]) -> int | None:
    """Return the position of the point to take, or None where none keeps within the limits.

    ``front`` is in order of preference; a limit is the most that a metric may be, by its name.

    >>> front = pd.DataFrame({"error": [0.1, 0.2], "latency_ms": [5.0, 3.0]})
    >>> pick(front, {"latency_ms": 4.0})
    1
    """
    within = (front[list(limits)] <= pd.Series(limits)).all(axis=1).to_numpy()
    return int(np.argmax(within)) if within.any() else None


def picks_of_front(
    history: pd.DataFrame, space: Space, *, count: int, representative: str
) -> list[str]:
    """Return at most ``count`` architectures of the front that seed 0 of a search found.

    The representative, by a rule of :func:`choose`, comes first, then those that spread evenly by
    the first hardware metric, both ends included. Raises InputError if nothing feasible was found.
    """
    front = require_feasible(found_front(history, space))
    objectives = objectives_in(history)
    metric = next(name for name in METRICS if name in objectives)
    first = choose(front[objectives].to_numpy(dtype=float), representative)
    spread = np.argsort(front[metric].to_numpy(), kind="stable")
    others = spread[np.linspace(0, len(front) - 1, min(count, len(front))).round().astype(int)]
    positions = dict.fromkeys([first, *others.tolist(), *spread.tolist()])
    return [str(front["arch"].iloc[position]) for position in list(positions)[:count]]


def random_members(space: str, count: int, *, seed: int, without: Collection[str]) -> list[str]:
    """Return at most ``count`` architectures of a space, drawn evenly; none of those ``without``.

    All have a path from input to output. They are what picks have to be better than.
    """
    found, random = plugins.space(space), np.random.default_rng([seed, *b"random members"])
    drawn = found.sample(count + len(without), random) if count else ()
    archs = [found.to_text(genes) for genes in drawn]
    return [arch for arch in archs if arch not in without][:count]


def choose(objectives: ArrayLike, rule: str = "knee") -> int:
    """Return the row of the representative of objectives, float (N, M), the error the first.

    Only non-dominated points can be chosen. Objectives are scaled so that each runs from 0 to 1
    on the front; one that is constant there does not count. ``knee`` is the least sum of them, the
    largest distance below the plane through the unit points, the front's extremes for two
    objectives (I. Das, Structural Optimization 18, 1999): on a straight or bulging front an end.
    ``closest_to_ideal`` is the least Euclidean distance from the origin, ``lowest_hardware`` the
    least mean of all but the error. Ties go to the lower error, then to the lower next objectives,
    then to the first row. Raises InputError for a NaN.

    >>> choose([[0.0, 9.0], [0.1, 2.0], [0.5, 1.0], [0.6, 3.0]], "knee")
    1
    """
    points = np.asarray(objectives, dtype=np.float64)
    rows = np.flatnonzero(non_dominated(points))
    front = points[rows]
    span = front.max(axis=0) - front.min(axis=0)
    scaled = (front - front.min(axis=0)) / np.where(span > 0, span, 1)
    badness = {
        "knee": scaled.sum(axis=1),
        "closest_to_ideal": np.square(scaled).sum(axis=1),
        "lowest_error": scaled[:, 0],
        "lowest_hardware": scaled[:, 1:].sum(axis=1),
    }
    # Rounded, so that sums that differ only by floating-point noise are ties. lexsort takes its
    # last key first and is stable, so equal points keep the order of their rows.
    order = np.lexsort((*front.T[::-1], np.round(badness[rule], 12)))
    return int(rows[order[0]])
