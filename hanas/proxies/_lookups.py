"""Choose which architectures to train really, and look up what comes of it.

The first are those that tell most about all others, whatever comes of them. Then, in rounds, a
model of the ranking says what it expects of all others and how unsure it is, and those are trained
that may well be on the front of error and cost: what a search on any device will choose from. Which
device that is, is not known, so costs are what every device has to pay for: multiply-accumulates
and the number of layers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from hanas.core.gaussian_process import Posterior, fit, most_telling
from hanas.core.pareto import non_dominated

#: Architectures, drawn at random, that the first ones are chosen from and have to tell about.
SAMPLE = 3000


def learn(
    groups: list[np.ndarray],
    costs: np.ndarray,
    functions: np.ndarray,
    look_up: Callable[[np.ndarray], np.ndarray],
    *,
    count: int,
    first: int,
    rounds: int,
    rng: np.random.Generator,
) -> Posterior:
    """Return what is expected of all N architectures after ``count`` of them were looked up.

    ``groups`` are features, float64 (N, F) each; ``costs`` what a front trades the error for,
    float64 (N, C); ``functions`` int (N,), equal where two architectures are the same function,
    which is paid for once. ``look_up(rows)`` returns true errors: the price of this proxy.
    ``first`` are looked up before anything is known, the others in ``rounds``.

    The posterior is of the normal scores of the errors' ranks among those looked up, since it is
    the ranking that matters.
    """
    order = rng.permutation(len(functions))
    sample = order[:SAMPLE]
    different = np.sort(np.unique(functions[sample], return_index=True)[1])
    chosen = sample[most_telling([group[sample] for group in groups], different, first)]
    order = order[np.sort(np.unique(functions[order], return_index=True)[1])]
    errors = look_up(chosen)
    for part in np.array_split(np.arange(count - first), rounds) if rounds else ():
        if len(part):
            posterior = fit(groups, chosen, normal_scores(errors))
            left = order[~np.isin(functions[order], functions[chosen])]
            promising = _on_possible_fronts(posterior, costs, left, len(part))
            chosen = np.concatenate([chosen, promising])
            errors = np.concatenate([errors, look_up(promising)])
    return fit(groups, chosen, normal_scores(errors))


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Return where ranks, of each column, would lie in a normal distribution; float64 (n, ...).

    >>> normal_scores(np.array([7.0, 0.1, 0.2])).round(3)
    array([ 0.967, -0.967,  0.   ])
    """
    return ndtri((rankdata(values, axis=0) - 0.5) / len(values))


def _on_possible_fronts(
    posterior: Posterior, costs: np.ndarray, left: np.ndarray, count: int
) -> np.ndarray:
    """Return ``count`` of the rows ``left``: each the least known on the front of what may be.

    What may be is one standard deviation better than expected. That those chosen before will
    be known is taken into account.
    """
    hoped = posterior.mean[left] - posterior.deviation(left)
    chosen: list[int] = []
    for _ in range(count):
        open_ = ~np.isin(left, chosen)
        points = np.column_stack([hoped[open_], costs[left[open_]]])
        front = left[open_][non_dominated(points, copies=False)]
        unsure = posterior.deviation(front, also_observed=chosen)
        chosen.append(int(front[unsure.argmax()]))
    return np.array(chosen, dtype=np.int64)
