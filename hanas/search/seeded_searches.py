"""Run a searcher with seeds 0, 1, ... on objectives from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.search.searchers._ledger import Evaluate

#: Settings of a search entry that are not the searcher's own.
_NOT_SEARCHERS = {
    "revision",
    "searcher",
    "seeds",
    "space",
    "proxy",
    "proxy_objective",
    "device_objectives",
}


def chosen_metrics(has: Sequence[str], device_objectives: str | Sequence[str]) -> list[str]:
    """Return which metrics of a device are objectives: those named, or ``"all"`` that it has.

    Raises
    ------
    InputError
        If the device has not all that are named.
    """
    wanted = list(has) if device_objectives == "all" else list(device_objectives)
    for metric in wanted:
        if metric not in has:
            raise InputError(
                f"the device has no {metric}; it has: {', '.join(has)} (see objectives)"
            )
    return wanted


def search_all_seeds(
    choices: Sequence[int],
    objectives: Sequence[str],
    evaluate: Evaluate,
    texts_of: Callable[[np.ndarray], Sequence[str] | np.ndarray],
    settings: Mapping[str, Any],
    log: Callable[[str], None],
) -> pd.DataFrame:
    """Run a searcher with each seed and return every evaluation.

    Parameters
    ----------
    choices
        Number of choices of each gene.
    objectives
        Names of the objectives.
    evaluate
        int64 (N, G) -> float64 (N, M), minimised; a row with a NaN is infeasible.
    texts_of
        Canonical texts of genes (N, G).
    settings
        An entry of ``searches``.
    log
        Takes a line of text for the log.

    Returns
    -------
    DataFrame
        ``seed``, ``evaluation`` (from 0 within a seed), ``generation``, ``arch``, the objectives,
        ``feasible`` and ``score`` (what a scalar searcher minimises; NaN for Pareto searchers).
        An objective named ``score``, that of a proxy which is no error, is ``proxy_score`` here.
    """
    columns = ["proxy_score" if name == "score" else name for name in objectives]
    searcher = plugins.load("searchers", settings["searcher"])
    own = {key: value for key, value in settings.items() if key not in _NOT_SEARCHERS}
    histories = []
    for seed in range(settings["seeds"]):
        history = searcher.search(choices, evaluate, own, np.random.default_rng(seed))
        count = len(history.genes)
        frame = pd.DataFrame(
            {
                "seed": np.full(count, seed),
                "evaluation": np.arange(count),
                "generation": history.generation,
                "arch": texts_of(history.genes),
            }
        )
        frame[columns] = history.objectives
        frame["feasible"] = ~np.isnan(history.objectives).any(axis=1)
        frame["score"] = history.score
        histories.append(frame)
        log(f"seed {seed}: {count} unique evaluations")
    return pd.concat(histories, ignore_index=True)
