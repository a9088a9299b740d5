"""Peel the fronts of searches, where true accuracies can be looked up instead of trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hanas.fronts.evaluation import quartiles
from hanas.fronts.peeling import peel
from hanas.fronts.picks import by_preference, objectives_in
from hanas.fronts.runs import Runs
from hanas.fronts.settings import Peeling


def trained_front(
    evaluated: pd.DataFrame,
    accuracies: pd.DataFrame,
    settings: Peeling,
    *,
    accuracy_floor_percent: float,
) -> tuple[pd.DataFrame, int, int]:
    """Return the front of what peeling trained, the most accurate first, and what it cost.

    Parameters
    ----------
    evaluated
        What a search could run: ``arch``, ``evaluation`` and the objectives, the proxy's first.
    accuracies
        Accuracy table: ``arch``, ``accuracy_percent``.
    settings
        When to stop.
    accuracy_floor_percent
        Less accurate architectures are not on the front.

    Returns
    -------
    front
        ``arch``, ``evaluation``, the true ``error``, a fraction, and the metrics; no row where
        nothing reaches the floor.
    architectures, layers
        How many architectures, of how many layers, were trained for it.
    """
    proxy, *metrics = objectives_in(evaluated)
    known = accuracies.set_index("arch")["accuracy_percent"]
    errors = 1 - known.loc[evaluated["arch"]].to_numpy(dtype=np.float64) / 100
    predicted = evaluated[[proxy, *metrics]].to_numpy(dtype=np.float64)
    floor = accuracy_floor_percent / 100
    trained = list(peel(predicted, errors.__getitem__, settings, accuracy_floor=floor))
    true = evaluated.assign(error=errors)[["arch", "evaluation", "error", *metrics]]
    if not trained:
        return true.iloc[:0], 0, 0
    last = trained[-1]
    return by_preference(true.iloc[last.front]), len(last.trained), len(trained)


def peeling_table(searches: Sequence[Runs], settings: Peeling) -> pd.DataFrame:
    """Return what each layer of each seed of each search brings, a row a layer.

    Peeling goes on to the limit, so that one sees what stopping where it did has cost.

    Returns
    -------
    DataFrame
        The key of the search, ``seed``, ``layer`` (1 is the predicted front; a seed that found
        nothing that the device can run has one row, of layer 0),
        ``trained_architectures`` so far, those that the proxy itself was learned from included;
        ``gain`` of the layer, see :class:`hanas.fronts.peeling.Layer`; ``pays``: False for the
        layer after which peeling stops, and for those after it; ``front_points`` of the trained
        front and its ``normalised_hypervolume``; the floor and sources.
    """
    lines = []
    for runs in searches:
        truth, paid = runs.truth, runs.row.trained_architectures
        for seed, evaluated in runs.evaluated.items():
            rows = evaluated[evaluated >= 0]
            key = {**runs.key, "seed": seed}
            if len(rows) == 0:
                nothing = {"layer": 0, "trained_architectures": paid, "gain": 0.0, "pays": False}
                worth = {"front_points": 0, "normalised_hypervolume": 0.0}
                lines.append({**key, **nothing, **worth, **runs.sources})
            trained = peel(
                runs.searched[rows],
                truth.objectives[rows, 0].__getitem__,
                settings,
                accuracy_floor=truth.accuracy_floor,
                past_the_end=True,
            )
            for number, layer in enumerate(trained, start=1):
                lines.append(
                    {
                        **key,
                        "layer": number,
                        "trained_architectures": paid + len(layer.trained),
                        "gain": round(layer.gain, 12),
                        "pays": layer.pays,
                        "front_points": len(layer.front),
                        "normalised_hypervolume": truth.share(rows[layer.front]),
                        **runs.sources,
                    }
                )
    return pd.DataFrame(lines)


def curve_table(peeled: pd.DataFrame) -> pd.DataFrame:
    """Return the normalised hypervolume over what was trained, over the seeds of each search.

    Returns
    -------
    DataFrame
        The key of the search, ``trained_architectures``: every number at which a seed has
        finished a layer, from where all have finished their first, up to the least that a seed
        ends with; ``median``, ``q25``, ``q75`` of the last layer that each has finished;
        ``stopped_at`` and ``stopped_with``: medians, over the seeds, of what was trained when
        peeling stopped and of the normalised hypervolume then; ``seeds`` and sources.
    """
    key = ["device", "task", "dataset", "proxy", "search", "objectives"]
    rest = ["accuracy_floor_percent", "accuracy_source", "metrics_source", "proxy_source"]
    what = ["trained_architectures", "normalised_hypervolume"]
    tables = []
    for names, of_search in peeled.groupby(key, sort=False):
        seeds = [of_seed for _, of_seed in of_search.groupby("seed")]
        counts, shares = ([of_seed[name].to_numpy() for of_seed in seeds] for name in what)
        first, last = max(c[0] for c in counts), min(c[-1] for c in counts)
        at = np.unique(np.concatenate(counts))
        at = at[(at >= first) & (at <= max(first, last))]
        steps = np.array(
            [
                share[np.searchsorted(count, at, side="right") - 1]
                for count, share in zip(counts, shares, strict=True)
            ]
        )
        stops = np.array([_stop(of_seed)[what].to_list() for of_seed in seeds], dtype=float)
        stopped_at, stopped_with = np.median(stops, axis=0)
        tables.append(
            pd.DataFrame(
                {
                    **dict(zip(key, names, strict=True)),
                    "trained_architectures": at,
                    **quartiles(steps),
                    "stopped_at": stopped_at,
                    "stopped_with": stopped_with,
                    "seeds": len(seeds),
                    **of_search[rest].iloc[0].to_dict(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _stop(of_seed: pd.DataFrame) -> pd.Series:
    """Return the row of the layer after which peeling stops, or else the last."""
    ends = of_seed[~of_seed["pays"].to_numpy(dtype=bool)]
    return ends.iloc[0] if len(ends) else of_seed.iloc[-1]
