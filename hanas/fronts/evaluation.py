"""Tables that judge every search: indicators, error budget, convergence, attainment, peeling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import moocore
import numpy as np
import pandas as pd

from hanas.core.pareto import non_dominated
from hanas.fronts.peeling import Layer, peel
from hanas.fronts.runs import Runs
from hanas.fronts.settings import Peeling

#: Networks that a front is thinned to, where fronts of any size are compared.
FEW = 20
#: Convergence is shown at this many points or more of the shortest search.
_POINTS = 20


def indicator_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return how good the front of each seed is in truth, a row a seed.

    ``trained_architectures`` are evaluations of the real kind that the proxy was learned from.
    ``igd_plus`` (H. Ishibuchi et al., EMO 2015) and ``additive_epsilon`` (E. Zitzler et al., IEEE
    Trans. Evolutionary Computation 7, 2003) are in the units of the true front, and infinite for a
    front without a point above the floor.
    """
    lines = []
    for runs in searches:
        truth = runs.truth
        for seed, evaluated in enumerate(runs.evaluated):
            front = runs.found_front(evaluated)
            scaled = truth.scaled[truth.worthy(front)]
            igd_plus, epsilon = (
                distance(scaled, ref=truth.scaled_front) if len(scaled) else np.inf
                for distance in (moocore.igd_plus, moocore.epsilon_additive)
            )
            line = runs.line(
                seed=seed,
                unique_evaluations=len(evaluated),
                feasible_evaluations=int((evaluated >= 0).sum()),
                trained_architectures=runs.row.trained_architectures,
                front_points=len(front),
                front_points_above_floor=len(scaled),
                normalised_hypervolume=truth.share(front),
                igd_plus=igd_plus,
                additive_epsilon=epsilon,
                true_front_points=len(truth.front),
            )
            lines.append(line)
    return pd.DataFrame(lines)


def budget_table(searches: Sequence[Runs], indicators: pd.DataFrame) -> pd.DataFrame:
    """Return where each search loses: to its proxy's ranking or to searching; a row a search.

    ``indicators`` is what :func:`indicator_table` says about the searches. ``ceiling`` is the
    normalised hypervolume, in truth, of the exact front of the proxy and the metrics over the
    whole space; ``ceiling_above_floor`` the same as if the proxy knew the floor; ``_of_20`` of
    these fronts thinned to 20 networks; ``_std`` their deviations
    (:meth:`hanas.fronts.truth.Truth.ceiling`). ``exact_front_points`` are on that front, and look
    different; ``note`` says where these are so many that its ceiling says nothing. ``found_mean``
    and ``found_std`` (of a sample) are over seeds. ``loss`` = 1 - ``found_mean`` =
    ``loss_by_ranking`` + ``loss_by_searching``; the last can be below zero: an incomplete front can
    be better by luck.
    """
    grouped = indicators.groupby(["task", "objectives", "proxy", "search"])
    ceilings: dict[tuple[str, ...], dict[str, Any]] = {}
    lines = []
    for runs in searches:
        of_proxy = (runs.row.task, runs.truth.name, runs.row.proxy)
        if of_proxy not in ceilings:
            ceilings[of_proxy] = _ceilings(runs)
        ceiling = ceilings[of_proxy]["ceiling"]
        of_seeds = grouped.get_group((*of_proxy, runs.row.search))
        found = of_seeds["normalised_hypervolume"]
        line = runs.line(
            **ceilings[of_proxy],
            found_mean=found.mean(),
            found_std=found.std(ddof=1),
            loss=1 - found.mean(),
            loss_by_ranking=1 - ceiling,
            loss_by_searching=ceiling - found.mean(),
            seeds=len(found),
            unique_evaluations_mean=of_seeds["unique_evaluations"].mean(),
            trained_architectures=runs.row.trained_architectures,
            note=_note(runs, ceilings[of_proxy]["exact_front_points"]),
        )
        lines.append(line)
    return pd.DataFrame(lines)


def _ceilings(runs: Runs) -> dict[str, Any]:
    of_all = np.arange(len(runs.searched))
    above = of_all[runs.truth.reaches_floor]
    found: dict[str, Any] = {}
    for most, suffix in ((None, ""), (FEW, f"_of_{FEW}")):
        for name, rows in ((f"ceiling{suffix}", of_all), (f"ceiling_above_floor{suffix}", above)):
            mean, deviation = runs.truth.ceiling(runs.searched, rows, most)
            found |= {name: mean, f"{name}_std": deviation}
    front = runs.searched[non_dominated(runs.searched, copies=False)]
    return {**found, "exact_front_points": len(front)}


def _note(runs: Runs, on_front: int) -> str:
    """Say where a proxy orders by the metrics, so that nearly everything is on its front."""
    different = len(np.unique(runs.searched, axis=0))
    if on_front <= different / 2:
        return ""
    metrics = " and ".join(runs.truth.metrics)
    return (
        f"the proxy orders by {metrics}: {on_front} of the {different} architectures that look "
        f"different are on its exact front, so that ceiling says nothing; compare ceiling_of_{FEW}"
    )


def convergence_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return the normalised hypervolume over the number of unique evaluations.

    All searches are shown at multiples of one round number, 1, 2, 5, 10, 20, ..., and at the most
    evaluations that all their seeds have made.
    """
    most = [min(map(len, runs.evaluated)) for runs in searches]
    steps = [digit * 10**exponent for exponent in range(12) for digit in (1, 2, 5)]
    step = max([1, *(step for step in steps if step * _POINTS <= min(most))])
    tables = []
    for runs, last in zip(searches, most, strict=True):
        counts = sorted({*range(step, last + 1, step), last})
        shares = runs.shares_after(counts)
        columns = runs.line(
            evaluations=counts,
            **_quartiles(shares),
            seeds=len(shares),
            trained_architectures=runs.row.trained_architectures,
        )
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _quartiles(shares: np.ndarray) -> dict[str, np.ndarray]:
    q25, median, q75 = np.quantile(shares, [0.25, 0.5, 0.75], axis=0)
    return {"median": median, "q25": q25, "q75": q75}


def attainment_table(searches: Sequence[Runs]) -> pd.DataFrame:
    """Return what one, half and all seeds of a search attain in truth, in two objectives.

    Error (a fraction) and metric of each corner of the surface, of architectures above the floor.
    """
    tables = []
    for runs in searches:
        truth = runs.truth
        if len(truth.metrics) != 1:
            continue
        found = map(runs.found_front, runs.evaluated)
        fronts = [truth.objectives[truth.worthy(front)] for front in found]
        for attained_by in sorted({1, (len(fronts) + 1) // 2, len(fronts)}):
            surface = attainment_surface(fronts, attained_by)
            corners = {"error": surface[:, 0], truth.metrics[0]: surface[:, 1]}
            columns = runs.line(attained_by=attained_by, seeds=len(fronts), **corners)
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def attainment_surface(fronts: Sequence[np.ndarray], attained_by: int) -> np.ndarray:
    """Return the surface that at least ``attained_by`` of the fronts attain, float64 (P, 2).

    Its points, rising in the first objective, are the best that so many of the fronts, float
    (N_i, 2), weakly dominate (V. Grunert da Fonseca et al., EMO 2001). Fronts may be empty; where
    too few of them have points, so is the surface.
    """
    runs = [front for front in fronts if len(front)]
    if attained_by > len(runs):
        return np.empty((0, 2))
    of_run = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    percentile = 100 * attained_by / len(runs)
    surface = moocore.eaf(np.concatenate(runs), of_run, percentiles=[percentile])[:, :2]
    return surface[np.argsort(surface[:, 0])]


def peeling_table(searches: Sequence[Runs], settings: Peeling) -> pd.DataFrame:
    """Return what each layer of each seed of each search brings, a row a layer.

    Peeling goes on to the limit, so that one sees what stopping where it did has cost. Layer 1 is
    the predicted front; a seed that found nothing that the device can run has one row, of layer 0.
    ``trained_architectures`` so far include those that the proxy itself was learned from; ``gain``
    and ``pays`` are those of :class:`~hanas.fronts.peeling.Layer`, the rest of the trained front.
    """
    none = np.empty(0, dtype=np.int64)
    lines = []
    for runs in searches:
        truth = runs.truth
        for seed, evaluated in enumerate(runs.evaluated):
            rows = evaluated[evaluated >= 0]
            trained = peel(
                runs.searched[rows],
                truth.objectives[rows, 0].__getitem__,
                settings,
                accuracy_floor=truth.accuracy_floor,
                past_the_end=True,
            )
            found = list(trained) or [Layer(none, none, none, 0.0, False)]
            lines += [
                runs.line(
                    seed=seed,
                    layer=number,
                    trained_architectures=runs.row.trained_architectures + len(layer.trained),
                    gain=round(layer.gain, 12),
                    pays=layer.pays,
                    front_points=len(layer.front),
                    normalised_hypervolume=truth.share(rows[layer.front]),
                )
                for number, layer in enumerate(found, start=1 if len(rows) else 0)
            ]
    return pd.DataFrame(lines)


def curve_table(peeled: pd.DataFrame) -> pd.DataFrame:
    """Return the normalised hypervolume over what was trained, over the seeds of each search.

    At every number of ``trained_architectures`` at which a seed has finished a layer, from where
    all have finished their first, up to the least that a seed ends with. ``stopped_at`` and
    ``stopped_with`` are medians, over the seeds, of what was trained when peeling stopped and of
    the normalised hypervolume then.
    """
    key = ["device", "task", "dataset", "proxy", "search", "objectives"]
    rest = ["accuracy_floor_percent", "accuracy_source", "metrics_source", "proxy_source"]
    what = ["trained_architectures", "normalised_hypervolume"]
    tables = []
    for names, layers in peeled.groupby(key, sort=False):
        reached = layers.pivot(index=what[0], columns="seed", values=what[1]).ffill().dropna()
        ends = layers.groupby("seed")[what].last()
        reached = reached.loc[: max(reached.index[0], ends[what[0]].min())]
        # Peeling stops after the first layer that does not pay, or else at the last.
        stops = layers[~layers["pays"].astype(bool)].groupby("seed")[what].first()
        stopped_at, stopped_with = stops.combine_first(ends).median()
        columns = {
            **dict(zip(key, names, strict=True)),
            "trained_architectures": reached.index,
            **_quartiles(reached.to_numpy().T),
            "stopped_at": stopped_at,
            "stopped_with": stopped_with,
            "seeds": len(ends),
            **layers[rest].iloc[0].to_dict(),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
