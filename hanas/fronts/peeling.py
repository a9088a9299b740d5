"""Peel a predicted front: train its layers, the next after the last, until a layer adds little.

A proxy puts good architectures close behind its front as often as onto it. So the front is taken
off and trained for real, then the front of what is left, and so on (layers of non-dominated
points, as NSGA-II ranks them). What is non-dominated in truth among all that was trained is the
*trained front*, which takes the predicted one's place. Whether another layer pays is judged
without knowing the true front: by the share of the trained front's hypervolume that is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.core.pareto import crowding_distance, non_dominated
from hanas.fronts.evaluation import quartiles
from hanas.fronts.floor import reaches
from hanas.fronts.indicators import normalised_hypervolume
from hanas.fronts.runs import Runs
from hanas.fronts.settings import Peeling


@dataclass(frozen=True)
class Layer:
    """A layer that was trained; architectures are rows, int64, of what was given."""

    rows: np.ndarray
    trained: np.ndarray  # all that are trained now, in the order in which they were
    front: np.ndarray  # those that reach the floor and that no other one dominates in truth
    #: Share of the hypervolume of the trained front, in its own box, that this layer brought: 1 for
    #: the first front, and as long as there is no volume; 0 as long as nothing reaches the floor.
    gain: float
    pays: bool  # whether to go on after this layer


def layers(predicted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of the front of points, float (N, M), then of the front of what is left.

    Of points that look the same the first is taken, the next in the layer after.

    >>> [rows.tolist() for rows in layers(np.array([[1, 4], [2, 2], [2, 2], [3, 3]]))]
    [[0, 1], [2], [3]]
    """
    left = np.arange(len(predicted))
    while len(left):
        front = non_dominated(predicted[left], copies=False)
        yield left[front]
        left = left[~front]


def peel(
    predicted: np.ndarray,
    train: Callable[[np.ndarray], np.ndarray],
    settings: Peeling,
    *,
    accuracy_floor: float = 0.0,
    past_the_end: bool = False,
) -> Iterator[Layer]:
    """Train one layer after the other and yield each.

    ``predicted`` are float (N, M), minimised: the proxy, then what is known without training.
    ``train`` returns the true errors, fractions, of the rows of one layer. What is below the
    accuracy floor, a fraction, counts for nothing. A layer that does not fit into the limit is
    thinned: those in the emptiest regions stay. ``past_the_end`` goes on to the limit though the
    layers do not pay, to see what that would bring.
    """
    objectives = np.array(predicted, dtype=np.float64)
    trained = front = np.empty(0, dtype=np.int64)
    little, pays = 0, True
    for rows in layers(predicted):
        room = settings.limit - len(trained)
        if len(rows) > room:
            emptiest = np.argsort(-crowding_distance(predicted[rows]), kind="stable")
            rows = np.sort(rows[emptiest[:room]])
        objectives[rows, 0] = train(rows)
        trained = np.concatenate([trained, rows])
        worthy = trained[reaches(objectives[trained, 0], accuracy_floor)]
        before, front = front, worthy[non_dominated(objectives[worthy], copies=False)]
        gain = _gain(objectives[before], objectives[front])
        little = little + 1 if gain < settings.epsilon else 0
        pays = pays and little < settings.patience and len(trained) < settings.limit
        yield Layer(rows, trained, front, gain, pays)
        if len(trained) >= settings.limit or not (pays or past_the_end):
            return


def _gain(before: np.ndarray, after: np.ndarray) -> float:
    if np.array_equal(before, after):
        return 0.0
    try:
        return max(0.0, 1 - normalised_hypervolume(before, after)) if len(before) else 1.0
    except InputError:  # too few points for a volume
        return 1.0


def peeling_table(searches: Sequence[Runs], settings: Peeling) -> pd.DataFrame:
    """Return what each layer of each seed of each search brings, a row a layer.

    Peeling goes on to the limit, so that one sees what stopping where it did has cost. After the
    key of the search and ``seed``: ``layer`` (1 is the predicted front; a seed that found nothing
    that the device can run has one row, of layer 0); ``trained_architectures`` so far, those that
    the proxy itself was learned from included; ``gain`` (:class:`Layer`);
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
