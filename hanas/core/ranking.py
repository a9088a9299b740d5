"""How well a proxy ranks architectures, judged by their true error.

A proxy's score and the true error are both better when lower, so a good proxy has a correlation
near +1. Ties are broken neither for nor against the proxy: where a figure depends on their order,
it is the expectation over random orders.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from hanas.core.errors import InputError


def rank_panel(
    score: ArrayLike,
    error: ArrayLike,
    *,
    best_percents: Sequence[int] = (50, 20, 10),
    counts: Sequence[int] = (10, 100),
) -> dict[str, float]:
    """Return everything that is reported about the ranking of a proxy.

    Of scores and true errors, fractions, float (N,) each: ``kendall_tau``, ``spearman_rho``,
    ``kendall_tau_best_{percent}_percent`` within the truly best ones, ``precision_at_{k}`` for the
    ``counts`` k up to N, and ``regret``. A correlation is NaN where one side is constant.
    InputError if the arrays differ in length, or hold fewer than two values or a NaN.
    """
    score, error = _pair(score, error)
    panel = {"kendall_tau": kendall_tau(score, error), "spearman_rho": spearman_rho(score, error)}
    for percent in best_percents:
        tau = kendall_tau_of_best(score, error, percent / 100)
        panel[f"kendall_tau_best_{percent}_percent"] = tau
    for count in counts:
        if count <= len(score):
            panel[f"precision_at_{count}"] = precision_at(score, error, count)
    return panel | {"regret": regret(score, error)}


def size_panel(
    score: ArrayLike, error: ArrayLike, size: ArrayLike, *, bins: int = 4
) -> dict[str, float]:
    """Return how a proxy ranks within bins of architectures of like size, and which it prefers.

    A proxy may owe its correlation to telling large from small, or underrate the large ones. The
    limits of the bins, the smallest first, are quantiles of ``size``, float (N,); architectures at
    a limit are in the lower bin. Of each: ``architectures_size_{bin}``, how many are in it;
    ``kendall_tau_size_{bin}``; ``overrated_size_{bin}``, by which share of all ranks it stands
    better in the proxy's eyes than in truth, on average; below zero if worse.

    >>> panel = size_panel([1, 2, 4, 3], [0.3, 0.4, 0.2, 0.1], size=[1, 1, 2, 2], bins=2)
    >>> panel["kendall_tau_size_1"], panel["overrated_size_1"], panel["overrated_size_2"]
    (1.0, 0.5, -0.5)
    """
    score, error = _pair(score, error)
    size, _ = _pair(size, error)
    limits = np.quantile(size, np.linspace(0, 1, bins + 1)[1:-1])
    bin_of = np.searchsorted(limits, size, side="left")
    lead = (stats.rankdata(error) - stats.rankdata(score)) / len(error)
    panel = {}
    for number in range(bins):
        inside = bin_of == number
        count = int(inside.sum())
        tau = kendall_tau(score[inside], error[inside]) if count > 1 else np.nan
        panel[f"architectures_size_{number + 1}"] = count
        panel[f"kendall_tau_size_{number + 1}"] = tau
        panel[f"overrated_size_{number + 1}"] = float(lead[inside].mean()) if count else np.nan
    return panel


def kendall_tau(score: ArrayLike, error: ArrayLike) -> float:
    """Return Kendall's tau-b, which corrects for ties (M. G. Kendall, Biometrika 33, 1945).

    >>> round(kendall_tau([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]), 4)
    0.6667
    """
    score, error = _pair(score, error)
    return float(stats.kendalltau(score, error, variant="b").statistic)  # pyright: ignore


def spearman_rho(score: ArrayLike, error: ArrayLike) -> float:
    """Return Spearman's rank correlation, NaN where one side is constant.

    >>> round(spearman_rho([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]), 4)
    0.8
    """
    ranks = [stats.rankdata(values) for values in _pair(score, error)]
    if min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def kendall_tau_of_best(score: np.ndarray, error: np.ndarray, fraction: float) -> float:
    """Return Kendall's tau-b among the truly best ``fraction``, above 0, of the architectures.

    Their number is rounded up; those that tie with the last one are kept too.
    """
    # A hair is taken off so that 0.07 of 100 is 7, although 0.07 * 100 is above 7 in floats.
    count = max(1, int(np.ceil(fraction * len(error) - 1e-9)))
    best = error <= np.partition(error, count - 1)[count - 1]
    return kendall_tau(score[best], error[best]) if best.sum() > 1 else float("nan")


def precision_at(score: np.ndarray, error: np.ndarray, count: int) -> float:
    """Return which part of the proxy's best ``count`` are among the truly best ``count``."""
    chances = []
    for values in (score, error):
        last = np.partition(values, count - 1)[count - 1]
        below, tied = values < last, values == last  # those that tie share the last places
        chances.append(below + tied * ((count - below.sum()) / tied.sum()))
    return float(chances[0] @ chances[1] / count)


def regret(score: np.ndarray, error: np.ndarray) -> float:
    """Return how much worse than the best is the architecture that the proxy likes best.

    In the units of ``error``; the mean where several share the best score.
    """
    return float(error[score == score.min()].mean() - error.min())


def _pair(score: ArrayLike, error: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    arrays = np.asarray(score, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if arrays[0].ndim != 1 or arrays[0].shape != arrays[1].shape:
        raise InputError(
            f"scores of shape {arrays[0].shape}, errors of shape {arrays[1].shape}; "
            "expected one each for every architecture"
        )
    if len(arrays[0]) < 2:
        raise InputError(f"{len(arrays[0])} architectures; a ranking needs two at least")
    for name, values in zip(("score", "error"), arrays, strict=True):
        for row in np.flatnonzero(~np.isfinite(values)):
            raise InputError(f"{name}: row {row} is {values[row]}; drop such rows first")
    return arrays
