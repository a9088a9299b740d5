"""NSGA-II: survival by rank of non-domination, then by crowding distance.

K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from hanas.search.searchers._evolution import evolve
from hanas.search.searchers._history import History
from hanas.search.searchers._ledger import Evaluate, Ledger
from hanas.search.searchers._quotas import QuotaSurvival
from hanas.search.searchers._settings import EVOLUTION, Setting, checked

SETTINGS = {**EVOLUTION, "quota_bins": Setting(1, minimum=1)}


def search(
    choices: Sequence[int],
    evaluate: Evaluate,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> History:
    """Search for a Pareto front.

    With the default settings 1,050 architectures are evaluated: a random population of 50
    (generation 0) and 50 children in each of 20 generations. The front is that of everything
    evaluated, :attr:`~hanas.search.searchers._history.History.front`.

    Parameters
    ----------
    choices
        Number of choices of each gene.
    evaluate
        int64 (N, G) -> float64 (N, M), minimised; a row with a NaN is infeasible.
    settings
        ``generations``, ``population``, ``parents``, ``crossover``, ``mutation``, ``random``
        (children of each kind; together the population), ``mutation_probability`` (a gene) and
        ``quota_bins``: ranges of the first hardware metric, the second objective, that each keep
        their share of population and parents (:mod:`hanas.search.searchers._quotas`); 1 for none.
    rng
        The only source of randomness.

    Returns
    -------
    History
        Every evaluation, with NaN for the score.

    Raises
    ------
    InputError
        If a setting is unknown or cannot be, or ``evaluate`` breaks its contract.
    """
    options = checked("nsga2", settings, SETTINGS)
    ledger = Ledger(choices, evaluate)
    bins = options["quota_bins"]
    survival = QuotaSurvival(bins) if bins > 1 else RankAndCrowding()
    evolve(ledger, _fitness, survival, options, rng)
    return ledger.history()


def _fitness(objectives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return objectives, np.zeros(len(objectives))  # no limits
