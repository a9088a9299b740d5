"""Peel the fronts of searches, where true accuracies can be looked up instead of trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hanas.fronts.peeling import PeelingSettings, peel
from hanas.fronts.picks import by_preference, objectives_in
from hanas.fronts.runs import Runs


@dataclass(frozen=True)
class Paid:
    """What a trained front cost: how many architectures were trained, of how many layers."""

    architectures: int
    layers: int


def trained_front(
    evaluated: pd.DataFrame,
    accuracies: pd.DataFrame,
    settings: PeelingSettings,
    *,
    accuracy_floor_percent: float,
) -> tuple[pd.DataFrame, Paid]:
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
    paid
        What was trained for it.
    """
    proxy, *metrics = objectives_in(evaluated)
    known = accuracies.set_index("arch")["accuracy_percent"]
    errors = 1 - known.loc[evaluated["arch"]].to_numpy(dtype=np.float64) / 100
    trained = list(
        peel(
            evaluated[[proxy, *metrics]].to_numpy(dtype=np.float64),
            errors.__getitem__,
            settings,
            accuracy_floor=accuracy_floor_percent / 100,
        )
    )
    rows = trained[-1].front if trained else np.empty(0, dtype=np.int64)
    true = evaluated.assign(error=errors)[["arch", "evaluation", "error", *metrics]]
    count = len(trained[-1].trained) if trained else 0
    return by_preference(true.iloc[rows]), Paid(count, len(trained))


def peeling_table(searches: Sequence[Runs], settings: PeelingSettings) -> pd.DataFrame:
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
        truth = runs.truth
        for seed, evaluated in runs.evaluated.items():
            rows = evaluated[evaluated >= 0]
            errors = truth.objectives[rows, 0]
            key = {**runs.key, "seed": seed}
            rest = {"accuracy_floor_percent": truth.accuracy_floor * 100, **runs.sources}
            if len(rows) == 0:  # nothing that the device can run
                nothing = {"layer": 0, "trained_architectures": runs.trained_architectures}
                worth = {"gain": 0.0, "pays": False, "front_points": 0}
                lines.append({**key, **nothing, **worth, "normalised_hypervolume": 0.0, **rest})
            trained = peel(
                runs.searched[rows],
                errors.__getitem__,
                settings,
                accuracy_floor=truth.accuracy_floor,
                past_the_end=True,
            )
            for number, layer in enumerate(trained, start=1):
                lines.append(
                    {
                        **key,
                        "layer": number,
                        "trained_architectures": runs.trained_architectures + len(layer.trained),
                        "gain": round(layer.gain, 12),
                        "pays": layer.pays,
                        "front_points": len(layer.front),
                        "normalised_hypervolume": truth.share(rows[layer.front]),
                        **rest,
                    }
                )
    return pd.DataFrame(lines)


def curve_table(peeled: pd.DataFrame) -> pd.DataFrame:
    """Return the normalised hypervolume over what was trained, over the seeds of each search.

    Parameters
    ----------
    peeled
        See :func:`peeling_table`.

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
    parts = []
    for names, of_search in peeled.groupby(key, sort=False):
        seeds = [of_seed for _, of_seed in of_search.groupby("seed")]
        counts = [of_seed["trained_architectures"].to_numpy() for of_seed in seeds]
        shares = [of_seed["normalised_hypervolume"].to_numpy() for of_seed in seeds]
        first, last = max(c[0] for c in counts), min(c[-1] for c in counts)
        at = np.unique(np.concatenate(counts))
        at = at[(at >= first) & (at <= max(first, last))]
        steps = np.array(
            [
                share[np.searchsorted(count, at, side="right") - 1]
                for count, share in zip(counts, shares, strict=True)
            ]
        )
        stops = [_stop(of_seed) for of_seed in seeds]
        q25, median, q75 = np.quantile(steps, [0.25, 0.5, 0.75], axis=0)
        parts.append(
            pd.DataFrame(
                {
                    **dict(zip(key, names, strict=True)),
                    "trained_architectures": at,
                    "median": median,
                    "q25": q25,
                    "q75": q75,
                    "stopped_at": np.median([count for count, _ in stops]),
                    "stopped_with": np.median([share for _, share in stops]),
                    "seeds": len(seeds),
                    **of_search[rest].iloc[0].to_dict(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _stop(of_seed: pd.DataFrame) -> tuple[float, float]:
    """Return what was trained, and the share, after the layer at which peeling stops."""
    ends = of_seed[~of_seed["pays"].to_numpy(dtype=bool)]
    row = (ends if len(ends) else of_seed.iloc[[-1]]).iloc[0]
    return float(row["trained_architectures"]), float(row["normalised_hypervolume"])
