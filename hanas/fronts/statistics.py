"""Whether one searcher is better than another, or only luckier: tests over paired seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hanas.fronts.runs import Runs

LEVEL = 0.05
#: With fewer pairs the two-sided test cannot fall below LEVEL: 2 / 2**5 is 0.0625.
FEWEST_SEEDS = 6
#: Columns of the table, also where there is nothing to compare.
_COLUMNS = (
    *("device", "task", "dataset", "proxy", "objectives", "search_a", "search_b", "evaluations"),
    *("seeds", "mean_a", "mean_b", "median_difference", "rank_biserial", "p_value"),
    *("comparisons", "p_holm", "claim", "accuracy_floor_percent"),
    *("accuracy_source", "metrics_source", "proxy_source"),
)


def wilcoxon_signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the effect size and the two-sided p of the Wilcoxon signed-rank test.

    Of finite differences, float (N,). Zero ones say nothing and are left out; tied ones share the
    mean of their ranks (F. Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics
    Bulletin 1, 1945). The distribution is the exact one given the ranks; scipy's is exact without
    ties only. The effect, the rank-biserial correlation, is the share of the rank sum that is
    positive less the share that is negative, -1 to 1; 0, and p is 1, without differences.

    >>> wilcoxon_signed_rank([1, 2, 3, 4, 5, 6])
    (1.0, 0.03125)
    """
    from scipy.stats import rankdata

    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    if len(values) == 0:
        return 0.0, 1.0
    # Twice the ranks are whole numbers even where ties share a mean rank.
    doubled = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
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
    """
    rising = pd.Series(np.asarray(p_values, dtype=np.float64)).sort_values(kind="stable")
    factors = np.arange(len(rising), 0, -1)
    return (rising * factors).cummax().clip(upper=1).sort_index().to_numpy()


def searcher_tests(searches: Sequence[Runs]) -> pd.DataFrame:
    """Compare each pair of searchers that ran on the same task, proxy and objectives.

    All seeds of both are cut off at the number of unique ``evaluations`` that every one of them has
    made, and their normalised hypervolumes are paired by seed: their means, ``median_difference``
    (a - b), ``rank_biserial`` and ``p_value``. Holm's correction ``p_holm`` covers all
    ``comparisons`` of one task, proxy and set of objectives; ``claim`` is in words. No rows where
    there is one search only.
    """
    families: dict[tuple[str, ...], list[Runs]] = {}
    for runs in searches:
        family = (runs.row.task, runs.truth.name, runs.row.proxy)
        families.setdefault(family, []).append(runs)
    lines = []
    for family in families.values():
        pairs = list(combinations(family, 2))
        compared = [_compared(a, b) for a, b in pairs]
        corrected = holm([line["p_value"] for line in compared])
        for (a, b), line, p_holm in zip(pairs, compared, corrected, strict=True):
            line |= {"comparisons": len(pairs), "p_holm": p_holm}
            lines.append(a.line(**line, claim=_claim(a, b, line)))
    return pd.DataFrame(lines, columns=list(_COLUMNS))


def _compared(a: Runs, b: Runs) -> dict[str, Any]:
    cut = min(map(len, [*a.evaluated, *b.evaluated]))
    seeds = min(len(a.evaluated), len(b.evaluated))
    of_a, of_b = (runs.shares_after([cut])[:seeds, 0] for runs in (a, b))
    differences = np.round(of_a - of_b, 12)
    effect, p_value = wilcoxon_signed_rank(differences)
    return {
        "search_a": a.row.search,
        "search_b": b.row.search,
        "evaluations": cut,
        "seeds": seeds,
        "mean_a": of_a.mean(),
        "mean_b": of_b.mean(),
        "median_difference": float(np.median(differences)),
        "rank_biserial": effect,
        "p_value": p_value,
    }


def _claim(a: Runs, b: Runs, line: dict[str, Any]) -> str:
    if line["seeds"] < FEWEST_SEEDS:
        claim = f"none: with fewer than {FEWEST_SEEDS} seeds p cannot be below {LEVEL:g}"
    elif line["p_holm"] >= LEVEL:
        claim = "none: the seeds show no difference"
    else:
        claim = f"{line['search_a' if line['rank_biserial'] > 0 else 'search_b']} is better"
    for runs in (a, b):
        own = line["evaluations"] - runs.sampled
        if own < runs.sampled:  # the searcher had hardly begun at the cut
            claim += f"; by then {runs.row.search} had made {own} evaluations of its own, "
            claim += f"after {runs.sampled} at random"
    return claim
