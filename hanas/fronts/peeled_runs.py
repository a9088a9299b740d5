"""What peeling brings to every search, where true accuracies are looked up instead of trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hanas.fronts.evaluation import quartiles
from hanas.fronts.peeling import Layer, peel
from hanas.fronts.runs import Runs
from hanas.fronts.settings import Peeling


def peeling_table(searches: Sequence[Runs], settings: Peeling) -> pd.DataFrame:
    """Return what each layer of each seed of each search brings, a row a layer.

    Peeling goes on to the limit, so that one sees what stopping where it did has cost. After the
    key of the search and ``seed``: ``layer`` (1 is the predicted front; a seed that found nothing
    that the device can run has one row, of layer 0); ``trained_architectures`` so far, those that
    the proxy itself was learned from included; ``gain`` (:class:`hanas.fronts.peeling.Layer`);
    ``pays``, False for the layer after which peeling stops, and for those after it;
    ``front_points`` of the trained front and its ``normalised_hypervolume``; the floor and sources.
    """
    lines = []
    for runs in searches:
        truth, paid = runs.truth, runs.row.trained_architectures
        for seed, evaluated in runs.evaluated.items():
            rows = evaluated[evaluated >= 0]
            trained = peel(
                runs.searched[rows],
                truth.objectives[rows, 0].__getitem__,
                settings,
                accuracy_floor=truth.accuracy_floor,
                past_the_end=True,
            )
            none = np.empty(0, dtype=np.int64)
            found = list(trained) or [Layer(none, none, none, 0.0, False)]
            for number, layer in enumerate(found, start=1 if len(rows) else 0):
                line = {
                    "layer": number,
                    "trained_architectures": paid + len(layer.trained),
                    "gain": round(layer.gain, 12),
                    "pays": layer.pays,
                    "front_points": len(layer.front),
                    "normalised_hypervolume": truth.share(rows[layer.front]),
                }
                lines.append({**runs.key, "seed": seed, **line, **runs.sources})
    return pd.DataFrame(lines)


def curve_table(peeled: pd.DataFrame) -> pd.DataFrame:
    """Return the normalised hypervolume over what was trained, over the seeds of each search.

    After the key of the search: ``trained_architectures``, every number at which a seed has
    finished a layer, from where all have finished their first, up to the least that a seed ends
    with; ``median``, ``q25``, ``q75`` of the last layer that each has finished; ``stopped_at`` and
    ``stopped_with``, medians, over the seeds, of what was trained when peeling stopped and of the
    normalised hypervolume then; ``seeds`` and sources.
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
        reached = [np.searchsorted(count, at, side="right") - 1 for count in counts]
        steps = np.array([share[last] for share, last in zip(shares, reached, strict=True)])
        # Where peeling stops: after the first layer that does not pay, or else at the last.
        ends = [(~of_seed["pays"].to_numpy(dtype=bool)).nonzero()[0] for of_seed in seeds]
        stops = [
            of_seed[what].iloc[end[0] if len(end) else -1]
            for of_seed, end in zip(seeds, ends, strict=True)
        ]
        stopped_at, stopped_with = np.median(np.array(stops, dtype=float), axis=0)
        columns = {
            **dict(zip(key, names, strict=True)),
            "trained_architectures": at,
            **quartiles(steps),
            "stopped_at": stopped_at,
            "stopped_with": stopped_with,
            "seeds": len(seeds),
            **of_search[rest].iloc[0].to_dict(),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
