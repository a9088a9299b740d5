"""Whether one searcher is better than another, or only luckier: tests over paired seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from hanas.core.errors import InputError
from hanas.fronts.runs import Runs

LEVEL = 0.05
#: With fewer pairs the two-sided test cannot fall below LEVEL: 2 / 2**5 is 0.0625.
FEWEST_SEEDS = 6


def wilcoxon_signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the effect size and the two-sided p of the Wilcoxon signed-rank test.

    Zero differences say nothing and are left out; tied ones share the mean of their ranks. The
    distribution is the exact one given the ranks, ties included, so no approximation is made
    (F. Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1, 1945).

    Parameters
    ----------
    differences
        float (N,): of each pair.

    Returns
    -------
    rank_biserial
        The share of the rank sum that is positive less the share that is negative, -1 to 1; 0
        without differences.
    p_value
        1 without differences.

    Raises
    ------
    InputError
        If a difference is NaN or infinite.

    Examples
    --------
    >>> wilcoxon_signed_rank([1, 2, 3, 4, 5, 6])
    (1.0, 0.03125)
    >>> wilcoxon_signed_rank([0, 0])
    (0.0, 1.0)
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise InputError("differences: expected a list of finite numbers")
    values = values[values != 0]
    if len(values) == 0:
        return 0.0, 1.0
    # Twice the ranks are whole numbers even where ties share a mean rank.
    doubled = np.rint(2 * stats.rankdata(np.abs(values))).astype(np.int64)
    positive, total = int(doubled[values > 0].sum()), int(doubled.sum())
    probability = np.zeros(total + 1)  # of each positive rank sum, with signs by fair coins
    probability[0] = 1
    for rank in doubled:
        probability[rank:] = (probability[rank:] + probability[: total + 1 - rank]) / 2
        probability[:rank] /= 2
    tails = probability[: positive + 1].sum(), probability[positive:].sum()
    return (2 * positive - total) / total, float(min(1.0, 2 * min(tails)))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p values corrected for their number, float64 (N,).

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6, 1979.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    result = np.empty(len(p_values))
    result[order] = corrected
    return result


def searcher_tests(searches: Sequence[Runs]) -> pd.DataFrame:
    """Compare each pair of searchers that ran on the same task, proxy and objectives.

    All seeds of both are cut off at the number of unique evaluations that every one of them has
    made, and their normalised hypervolumes are paired by seed. Holm's correction covers all pairs
    of one task, proxy and set of objectives.

    Returns
    -------
    DataFrame
        The key, ``search_a``, ``search_b``, ``evaluations`` (the cut), ``seeds``, the mean
        normalised hypervolume of each, ``median_difference`` (a - b), ``rank_biserial``,
        ``p_value``, ``comparisons`` (of the family that is corrected), ``p_holm``, and ``claim``
        in words. No rows where there is one search only.
    """
    families: dict[tuple[str, ...], list[Runs]] = {}
    for runs in searches:
        key = runs.key
        families.setdefault((key["task"], key["objectives"], key["proxy"]), []).append(runs)
    lines = []
    for family in families.values():
        key = {name: value for name, value in family[0].key.items() if name != "search"}
        pairs = [_compared(a, b) for a, b in combinations(family, 2)]
        corrected = holm([pair["p_value"] for pair in pairs])
        for pair, p_holm in zip(pairs, corrected, strict=True):
            lines.append(
                {
                    **key,
                    **{name: value for name, value in pair.items() if name != "sampled"},
                    "comparisons": len(pairs),
                    "p_holm": p_holm,
                    "claim": _claim(pair, p_holm),
                    "accuracy_floor_percent": family[0].truth.accuracy_floor * 100,
                    **family[0].sources,
                }
            )
    return pd.DataFrame(lines, columns=None if lines else list(_COLUMNS))


_COLUMNS = (
    *("device", "task", "dataset", "proxy", "objectives", "search_a", "search_b", "evaluations"),
    *("seeds", "mean_a", "mean_b", "median_difference", "rank_biserial", "p_value"),
    *("comparisons", "p_holm", "claim", "accuracy_floor_percent"),
    *("accuracy_source", "metrics_source", "proxy_source"),
)


def _compared(a: Runs, b: Runs) -> dict:
    cut = min(len(rows) for runs in (a, b) for rows in runs.evaluated.values())
    seeds = sorted(set(a.evaluated) & set(b.evaluated))
    shares = np.array([[runs.share_after(seed, [cut])[0] for runs in (a, b)] for seed in seeds])
    differences = np.round(shares[:, 0] - shares[:, 1], 12)
    effect, p_value = wilcoxon_signed_rank(differences)
    return {
        "search_a": a.names["search"],
        "search_b": b.names["search"],
        "evaluations": cut,
        "seeds": len(seeds),
        "mean_a": shares[:, 0].mean(),
        "mean_b": shares[:, 1].mean(),
        "median_difference": float(np.median(differences)),
        "rank_biserial": effect,
        "p_value": p_value,
        "sampled": {runs.names["search"]: runs.sampled for runs in (a, b)},
    }


def _claim(pair: dict, p_holm: float) -> str:
    return _verdict(pair, p_holm) + "".join(
        f"; by then {search} had made {pair['evaluations'] - sampled} evaluations of its own, "
        f"after {sampled} at random"
        for search, sampled in pair["sampled"].items()
        if pair["evaluations"] < 2 * sampled
    )


def _verdict(pair: dict, p_holm: float) -> str:
    if pair["seeds"] < FEWEST_SEEDS:
        return f"none: with fewer than {FEWEST_SEEDS} seeds p cannot be below {LEVEL:g}"
    if p_holm >= LEVEL:
        return "none: the seeds show no difference"
    return f"{pair['search_a' if pair['rank_biserial'] > 0 else 'search_b']} is better"
