"""Weighted-sum evolution: one objective, the mean of all, each brought to the same scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival

from hanas.core.errors import InputError
from hanas.search.searchers._evolution import evolve
from hanas.search.searchers._history import History, feasible_rows
from hanas.search.searchers._ledger import Evaluate, Ledger
from hanas.search.searchers._settings import EVOLUTION, SAMPLES, checked

SETTINGS = {**EVOLUTION, "samples": SAMPLES}


def search(
    choices: Sequence[int],
    evaluate: Evaluate,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> History:
    """Search for the architecture with the lowest mean of its normalised objectives.

    Each objective is normalised by its mean and standard deviation over the feasible ones of
    ``samples`` random architectures. These are evaluations like any other: they come first in the
    history, as generation -1, and none of them is evaluated again, so with the default settings
    2,050 architectures are. The first population of the evolution is drawn afresh.

    An objective that is constant over the samples has no scale; it is then only shifted.

    Parameters
    ----------
    choices
        Number of choices of each gene.
    evaluate
        int64 (N, G) -> float64 (N, M), minimised; a row with a NaN is infeasible.
    settings
        Those of :func:`hanas.search.searchers.nsga2.search`, and ``samples``.
    rng
        The only source of randomness.

    Returns
    -------
    History
        Every evaluation; the score is what was minimised, infinite for infeasible architectures.

    Raises
    ------
    InputError
        If a setting is unknown or cannot be, ``evaluate`` breaks its contract, or no sample is
        feasible.
    """
    options = checked("wsea", settings, SETTINGS)
    ledger = Ledger(choices, evaluate)
    sampled = ledger.evaluate(ledger.draw(options["samples"], rng), generation=-1)
    sampled = sampled[feasible_rows(sampled)]
    if len(sampled) == 0:
        raise InputError(
            f"wsea: none of {options['samples']} random architectures is feasible; "
            "raise samples, or check the device table"
        )
    mean, deviation = sampled.mean(axis=0), sampled.std(axis=0)
    deviation = np.where(np.ptp(sampled, axis=0) > 0, deviation, 1.0)

    def score(objectives: np.ndarray) -> np.ndarray:
        values = ((objectives - mean) / deviation).mean(axis=1)
        return np.where(feasible_rows(objectives), values, np.inf)

    evolve(
        ledger,
        lambda objectives: (score(objectives)[:, None], np.zeros(len(objectives))),
        FitnessSurvival(),
        options,
        rng,
    )
    return ledger.history(score)
