"""Constrained evolution: the lowest error within limits on every hardware metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival

from hanas.core.errors import InputError
from hanas.search.searchers._evolution import evolve
from hanas.search.searchers._history import History, feasible_rows
from hanas.search.searchers._ledger import Evaluate, Ledger
from hanas.search.searchers._settings import EVOLUTION, SAMPLES, Setting, checked

SETTINGS = {**EVOLUTION, "samples": SAMPLES, "percentile": Setting(60.0, minimum=0, maximum=100)}


def search(
    choices: Sequence[int],
    evaluate: Evaluate,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> History:
    """Search for the lowest objective 0, the error, with every other objective under a limit.

    The limit of an objective is its ``percentile`` (interpolated linearly) over the feasible ones
    of ``samples`` random architectures; a value equal to it is allowed. The samples are
    evaluations like any other: they come first in the history, as generation -1, and none of them
    is evaluated again, so with the default settings 2,050 architectures are. The first population
    of the evolution is drawn afresh.

    Architectures over a limit rank behind all within, by how far they are over in all, in
    standard deviations of the samples: they can be parents only while there are too few others.

    Parameters
    ----------
    choices
        Number of choices of each gene.
    evaluate
        int64 (N, G) -> float64 (N, M), minimised; a row with a NaN is infeasible.
    settings
        Those of :func:`hanas.search.searchers.nsga2.search`, ``samples`` and ``percentile``.
    rng
        The only source of randomness.

    Returns
    -------
    History
        Every evaluation; the score is the error, infinite for architectures over a limit or
        infeasible.

    Raises
    ------
    InputError
        If a setting is unknown or cannot be, ``evaluate`` breaks its contract, or no sample is
        feasible.
    """
    options = checked("cea", settings, SETTINGS)
    ledger = Ledger(choices, evaluate)
    sampled = ledger.evaluate(ledger.draw(options["samples"], rng), generation=-1)
    sampled = sampled[feasible_rows(sampled)]
    if len(sampled) == 0:
        raise InputError(
            f"cea: none of {options['samples']} random architectures is feasible; "
            "raise samples, or check the device table"
        )
    limits = np.percentile(sampled[:, 1:], options["percentile"], axis=0)
    deviation = np.where(np.ptp(sampled, axis=0) > 0, sampled.std(axis=0), 1.0)[1:]

    def violation(objectives: np.ndarray) -> np.ndarray:
        return (np.maximum(objectives[:, 1:] - limits, 0) / deviation).sum(axis=1)

    def score(objectives: np.ndarray) -> np.ndarray:
        allowed = feasible_rows(objectives) & (objectives[:, 1:] <= limits).all(axis=1)
        return np.where(allowed, objectives[:, 0], np.inf)

    evolve(
        ledger,
        lambda objectives: (objectives[:, :1], violation(objectives)),
        FitnessSurvival(),
        options,
        rng,
    )
    return ledger.history(score)
