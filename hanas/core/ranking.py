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

    Parameters
    ----------
    score
        float (N,): what the proxy says; lower is better.
    error
        float (N,): the true errors, fractions.
    best_percents
        Kendall's tau is also taken within so many percent of truly best architectures.
    counts
        Sizes k of the two "best k" that precision compares; those above N are left out.

    Returns
    -------
    dict
        ``kendall_tau``, ``spearman_rho``, ``kendall_tau_best_{percent}_percent``,
        ``precision_at_{k}`` and ``regret``. A correlation is NaN where one side is constant.

    Raises
    ------
    InputError
        If the arrays differ in length, hold fewer than two values, or hold a NaN.
    """
    score, error = _pair(score, error)
    panel = {"kendall_tau": kendall_tau(score, error), "spearman_rho": spearman_rho(score, error)}
    for percent in best_percents:
        panel[f"kendall_tau_best_{percent}_percent"] = kendall_tau_of_best(
            score, error, percent / 100
        )
    for count in counts:
        if count <= len(score):
            panel[f"precision_at_{count}"] = precision_at(score, error, count)
    panel["regret"] = regret(score, error)
    return panel


def size_panel(
    score: ArrayLike, error: ArrayLike, size: ArrayLike, *, bins: int = 4
) -> dict[str, float]:
    """Return how a proxy ranks within bins of architectures of like size, and which it prefers.

    A proxy may owe its correlation to telling large from small, or underrate the large ones.

    Parameters
    ----------
    score, error
        As of :func:`rank_panel`.
    size
        float (N,): such as the number of parameters. The limits of the bins are its quantiles;
        architectures at a limit are in the lower bin.
    bins
        Number of bins, the smallest first.

    Returns
    -------
    dict
        ``architectures_size_{bin}``: how many are in the bin (those of equal size are in one);
        ``kendall_tau_size_{bin}`` within the bin, NaN with fewer than two architectures or where
        one side is constant; ``overrated_size_{bin}``: by which share of all ranks the bin stands
        better in the proxy's eyes than in truth, on average; below zero if worse.

    Examples
    --------
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
        panel[f"architectures_size_{number + 1}"] = int(inside.sum())
        several = inside.sum() > 1
        tau = kendall_tau(score[inside], error[inside]) if several else float("nan")
        panel[f"kendall_tau_size_{number + 1}"] = tau
        mean = float(lead[inside].mean()) if inside.any() else float("nan")
        panel[f"overrated_size_{number + 1}"] = mean
    return panel


def kendall_tau(score: ArrayLike, error: ArrayLike) -> float:
    """Return Kendall's tau-b, which corrects for ties (M. G. Kendall, Biometrika 33, 1945).

    >>> round(kendall_tau([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]), 4)
    0.6667
    """
    score, error = _pair(score, error)
    return float(stats.kendalltau(score, error, variant="b").statistic)  # pyright: ignore


def spearman_rho(score: ArrayLike, error: ArrayLike) -> float:
    """Return Spearman's rank correlation.

    >>> round(spearman_rho([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]), 4)
    0.8
    """
    score, error = _pair(score, error)
    ranks = stats.rankdata(score), stats.rankdata(error)
    if min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def kendall_tau_of_best(score: ArrayLike, error: ArrayLike, fraction: float) -> float:
    """Return Kendall's tau-b among the truly best ``fraction`` of the architectures.

    The number of architectures is rounded up; those that tie with the last one are kept too.

    >>> kendall_tau_of_best([4, 3, 2, 1], [0.1, 0.2, 0.3, 0.4], fraction=0.5)
    -1.0
    """
    score, error = _pair(score, error)
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: {fraction}; expected above 0 and at most 1")
    count = _count(fraction, len(error))
    best = error <= np.partition(error, count - 1)[count - 1]
    if best.sum() < 2:
        return float("nan")
    return kendall_tau(score[best], error[best])


def precision_at(score: ArrayLike, error: ArrayLike, count: int) -> float:
    """Return which part of the proxy's best ``count`` are among the truly best ``count``.

    >>> precision_at([1, 2, 3, 4], [0.1, 0.4, 0.2, 0.3], count=2)
    0.5
    """
    score, error = _pair(score, error)
    if not 1 <= count <= len(score):
        raise InputError(f"count: {count}; expected 1 to {len(score)} (the architectures)")
    return float(_among_best(score, count) @ _among_best(error, count) / count)


def regret(score: ArrayLike, error: ArrayLike) -> float:
    """Return how much worse than the best the architecture is that the proxy likes best.

    In the units of ``error``; the mean where several share the best score.

    >>> round(regret([2, 1, 3], [0.06, 0.08, 0.07]), 4)
    0.02
    """
    score, error = _pair(score, error)
    return float(error[score == score.min()].mean() - error.min())


def _among_best(values: np.ndarray, count: int) -> np.ndarray:
    """Return the probability, float64 (N,), to be among the lowest ``count`` values.

    Those that tie for the last places share them.
    """
    last = np.partition(values, count - 1)[count - 1]
    below, tied = values < last, values == last
    return below + tied * ((count - below.sum()) / tied.sum())


def _count(fraction: float, total: int) -> int:
    # A hair is taken off so that 0.07 of 100 is 7, although 0.07 * 100 is above 7 in floats.
    return max(1, int(np.ceil(fraction * total - 1e-9)))


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
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(f"{name}: row {bad[0]} is {values[bad[0]]}; drop such rows first")
    return arrays
