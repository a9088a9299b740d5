"""Random search: uniform, without repetition. What every searcher has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanas.search.searchers._history import History
from hanas.search.searchers._ledger import Evaluate, Ledger
from hanas.search.searchers._settings import Setting, checked

SETTINGS = {"evaluations": Setting(1050, minimum=1)}


def search(
    choices: Sequence[int],
    evaluate: Evaluate,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> History:
    """Evaluate architectures drawn at random.

    The default is as many as nsga2 evaluates; fewer where the space has no more.

    Parameters
    ----------
    choices
        Number of choices of each gene.
    evaluate
        int64 (N, G) -> float64 (N, M), minimised; a row with a NaN is infeasible.
    settings
        ``evaluations``.
    rng
        The only source of randomness.

    Returns
    -------
    History
        Every evaluation, all in generation 0, with NaN for the score.

    Raises
    ------
    InputError
        If a setting is unknown or cannot be, or ``evaluate`` breaks its contract.
    """
    options = checked("random", settings, SETTINGS)
    ledger = Ledger(choices, evaluate)
    ledger.evaluate(ledger.draw(options["evaluations"], rng), generation=0)
    return ledger.history()
