"""Which architectures to measure next, so that most is learnt about all others.

Those whose measurement will take away most of the variance of the predictions over the whole
space (D. A. Cohn, Z. Ghahramani and M. I. Jordan, "Active Learning with Statistical Models", JAIR
4, 1996), one after the other: what is known after a measurement does not depend on its value, so a
batch is chosen without waiting for any. The largest variance itself would be found at the rims of
the space, where few architectures are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices.prediction.predictor import Predictor

#: Random architectures that are chosen from, and over which the variance is taken.
CANDIDATES, JUDGES = 1000, 500


def next_batch(
    predictor: Predictor,
    taken: np.ndarray,
    count: int,
    *,
    rng: np.random.Generator,
    pool: np.ndarray | None = None,
) -> np.ndarray:
    """Return the genes of the architectures to measure next, int64 (count, G), none of ``taken``.

    All metrics count alike, each by the part of its variance that is taken away. What the device
    probably cannot run counts less, by that probability. They are chosen from ``pool``, int (P, G),
    or from random architectures of the space; fewer where there are no more, and InputError where
    there is none.
    """
    features = predictor.features
    candidates = random_genes(features.space, CANDIDATES, rng) if pool is None else pool
    candidates = without(features.checked(candidates), taken)
    if not len(candidates):
        raise InputError(f"no architecture of {features.space} is left to measure")
    judges = random_genes(features.space, JUDGES, rng)
    at, over = features.groups(candidates), features.groups(judges)
    runs = predictor.feasible_probability(at)
    beliefs = []
    for found in (predictor.regressions[metric] for metric in predictor.metrics):
        _, deviation = found.predict(over)
        unknown = float(np.square(deviation).sum() - len(judges) * found.noise)
        covariances = found.covariance(at, at), found.covariance(at, over)
        beliefs.append(_Belief(*covariances, found.noise, max(unknown, found.noise)))
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = runs * sum(belief.gains() for belief in beliefs)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        for belief in beliefs:
            belief.measure(chosen[-1])
    return candidates[chosen]


@dataclass
class _Belief:
    """What will be known about a metric once the chosen candidates are measured."""

    among: np.ndarray  # covariance (P, P)
    to_judges: np.ndarray  # covariance (P, J)
    noise: float
    unknown: float

    def gains(self) -> np.ndarray:
        """Return which part of the judges' variance each candidate takes away, float64 (P,)."""
        explained = np.square(self.to_judges).sum(axis=1)
        return explained / (np.diag(self.among) + self.noise) / self.unknown

    def measure(self, candidate: int) -> None:
        column = self.among[:, candidate] / (self.among[candidate, candidate] + self.noise)
        self.to_judges = self.to_judges - np.outer(column, self.to_judges[candidate])
        self.among = self.among - np.outer(column, self.among[candidate])


def random_genes(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return different random architectures that some device may run, int64 (count, G), or all."""
    space = plugins.space(name)
    if space.enumerable:
        genes = space.all_genes()
        genes = genes[rng.permutation(len(genes))]
        return genes[space.connected(genes)][:count]
    found = np.empty((0, len(space.choices)), dtype=np.int64)
    while len(found) < count:
        drawn = rng.integers(0, space.choices, size=(count, len(space.choices)))
        found = _different(np.concatenate([found, drawn[space.connected(drawn)]]))[:count]
    return found


def without(genes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the different rows of ``genes`` that are not among ``taken``, in their order."""
    seen = set(map(tuple, np.asarray(taken).tolist()))
    genes = _different(genes)
    return genes[[tuple(row) not in seen for row in genes.tolist()]]


def _different(genes: np.ndarray) -> np.ndarray:
    _, first = np.unique(genes, axis=0, return_index=True)
    return genes[np.sort(first)]
