"""Tables that judge every search: indicators, the error budget, convergence, attainment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hanas.fronts.indicators import additive_epsilon, attainment_surface, igd_plus, to_unit_box
from hanas.fronts.runs import Runs

#: Convergence is shown at this many points or more of the shortest search.
_POINTS = 20


def indicator_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return how good the front of each seed is in truth, a row a seed.

    After the key of the search and ``seed``: ``unique_evaluations`` of the proxy and how many of
    them were ``feasible_evaluations``; ``trained_architectures``, evaluations of the real kind that
    the proxy was learned from; ``front_points`` of the found front and how many of them reach the
    floor; ``normalised_hypervolume`` (1 for the true front), ``igd_plus`` and ``additive_epsilon``
    (0 for the true front, in its units; infinite for a front without a point above the floor);
    ``true_front_points``, the floor and sources.
    """
    lines = []
    for runs in searches:
        truth = runs.truth
        true_front = to_unit_box(truth.front, truth.front)
        for seed, evaluated in runs.evaluated.items():
            front = runs.found_front(seed)
            worthy = truth.worthy(front)
            pair = (truth.scaled[worthy], true_front)
            line = {
                "seed": seed,
                "unique_evaluations": len(evaluated),
                "feasible_evaluations": int((evaluated >= 0).sum()),
                "trained_architectures": runs.row.trained_architectures,
                "front_points": len(front),
                "front_points_above_floor": len(worthy),
                "normalised_hypervolume": truth.share(front),
                "igd_plus": igd_plus(*pair) if len(worthy) else np.inf,
                "additive_epsilon": additive_epsilon(*pair) if len(worthy) else np.inf,
                "true_front_points": len(truth.front),
            }
            lines.append({**runs.key, **line, **runs.sources})
    return pd.DataFrame(lines)


def budget_table(searches: Sequence[Runs], indicators: pd.DataFrame) -> pd.DataFrame:
    """Return where each search loses: to its proxy's ranking or to searching; a row a search.

    ``indicators`` is what :func:`indicator_table` says about the searches. ``ceiling`` is the
    normalised hypervolume, in truth, of the exact front of the proxy and the metrics over the
    whole space; ``ceiling_above_floor`` the same as if the proxy knew the floor; ``_std`` their
    deviations (:meth:`hanas.fronts.truth.Truth.ceiling`). ``found_mean`` and ``found_std`` (of a
    sample) are over seeds. ``loss`` = 1 - ``found_mean`` = ``loss_by_ranking`` +
    ``loss_by_searching``; the last can be below zero: a front that is incomplete, or of those that
    look the same has other ones, can, by luck, be better in truth.
    """
    grouped = indicators.groupby(["task", "objectives", "proxy", "search"])
    ceilings: dict[tuple[str, ...], dict[str, float]] = {}
    lines = []
    for runs in searches:
        of_proxy = (runs.row.task, runs.truth.name, runs.row.proxy)
        if of_proxy not in ceilings:
            of_all, ceilings[of_proxy] = np.arange(len(runs.searched)), {}
            above = of_all[runs.truth.reaches_floor]
            for name, rows in (("ceiling", of_all), ("ceiling_above_floor", above)):
                mean, deviation = runs.truth.ceiling(runs.searched, rows)
                ceilings[of_proxy] |= {name: mean, f"{name}_std": deviation}
        ceiling = ceilings[of_proxy]["ceiling"]
        of_seeds = grouped.get_group((*of_proxy, runs.row.search))
        found = of_seeds["normalised_hypervolume"]
        line = {
            "found_mean": found.mean(),
            "found_std": found.std(ddof=1),
            "loss": 1 - found.mean(),
            "loss_by_ranking": 1 - ceiling,
            "loss_by_searching": ceiling - found.mean(),
            "seeds": len(found),
            "unique_evaluations_mean": of_seeds["unique_evaluations"].mean(),
            "trained_architectures": runs.row.trained_architectures,
        }
        lines.append({**runs.key, **ceilings[of_proxy], **line, **runs.sources})
    return pd.DataFrame(lines)


def convergence_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return the normalised hypervolume over the number of unique evaluations.

    The key of the search, ``evaluations``, and over the ``seeds`` ``median``, ``q25`` and ``q75``;
    then the floor and sources. All searches are shown at multiples of one round number, and at the
    most evaluations that all their seeds have made.
    """
    most = [min(map(len, runs.evaluated.values())) for runs in searches]
    step = round_step(min(most), _POINTS)
    tables = []
    for runs, last in zip(searches, most, strict=True):
        counts = sorted({*range(step, last + 1, step), last})
        shares = np.array([runs.share_after(seed, counts) for seed in runs.evaluated])
        trained = runs.row.trained_architectures
        rest = {"seeds": len(shares), "trained_architectures": trained, **runs.sources}
        at = {**runs.key, "evaluations": counts}
        tables.append(pd.DataFrame({**at, **quartiles(shares), **rest}))
    return pd.concat(tables, ignore_index=True)


def quartiles(shares: np.ndarray) -> dict[str, np.ndarray]:
    """Return ``median``, ``q25`` and ``q75``, float64 (N,), over seeds of shares (seeds, N)."""
    q25, median, q75 = np.quantile(shares, [0.25, 0.5, 0.75], axis=0)
    return {"median": median, "q25": q25, "q75": q75}


def attainment_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return what one, half and all seeds of a search attain in truth, in two objectives.

    The key of the search, ``attained_by`` so many of ``seeds``; ``error`` (a fraction) and the
    first metric of each corner of the surface. Only architectures above the floor.
    """
    tables = []
    for runs in searches:
        truth = runs.truth
        if len(truth.metrics) != 1:
            continue
        fronts = [truth.objectives[truth.worthy(runs.found_front(seed))] for seed in runs.evaluated]
        for attained_by in sorted({1, (len(fronts) + 1) // 2, len(fronts)}):
            surface = attainment_surface(fronts, attained_by)
            corners = {"error": surface[:, 0], truth.metrics[0]: surface[:, 1]}
            counts = {"attained_by": attained_by, "seeds": len(fronts)}
            tables.append(pd.DataFrame({**runs.key, **counts, **corners, **runs.sources}))
    return pd.concat(tables, ignore_index=True)


def round_step(total: int, points: int) -> int:
    """Return the largest of 1, 2, 5, 10, 20, ... of which ``points`` fit into ``total``, or 1."""
    steps = (digit * 10**exponent for exponent in range(12) for digit in (1, 2, 5))
    return max((step for step in steps if step * points <= total), default=1)
