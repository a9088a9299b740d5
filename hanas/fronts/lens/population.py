"""The architectures that a lens looks at: all of a space, or random ones, with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.data.tables.metric_tables import METRICS
from hanas.devices.prediction.predictor import Predictor, likely_runs
from hanas.fronts.lens.effects import Effects, of_all, of_sample, weights_of_sample
from hanas.fronts.rows import Row, read_history
from hanas.proxies._proxy import OnDemandScorer
from hanas.search.run import objectives_of, same_everywhere
from hanas.spaces._space import Space

#: The column of the true error, a fraction.
TRUE = "true_error"
#: Architectures that the uncertainty of a predictor is computed of, where all are listed.
_FEW = 1000


@dataclass(frozen=True)
class Population:
    """Architectures that work and that the device can run, with what is known of them.

    ``genes`` int64 (N, G); ``values`` has a row each: the device's metrics, what the proxy says,
    and :data:`TRUE` where it is known. ``objectives`` are the columns that a search minimises, the
    proxy's first; ``sources`` says where each column is from; ``listed`` whether these are all.
    """

    space: Space
    genes: np.ndarray
    values: pd.DataFrame
    objectives: list[str]
    sources: Mapping[str, str]
    listed: bool
    predictor: Predictor | None = None

    @property
    def metrics(self) -> list[str]:
        """The metrics of the device that differ."""
        return [name for name in METRICS if name in self.values]

    @property
    def score(self) -> str:
        """The column of what the proxy says."""
        return self.objectives[0]

    def effects(self) -> dict[str, Effects]:
        """Return the effects of all choices on each column, metrics first."""
        matter = self.space.used(self.genes)
        names = [*self.metrics, self.score, *([TRUE] if TRUE in self.values else [])]
        return {name: self._effects_on(name, matter) for name in names}

    def _effects_on(self, name: str, matter: np.ndarray) -> Effects:
        choices, values = self.space.choices, self.values[name].to_numpy(dtype=np.float64)
        predictor = self.predictor if name in METRICS else None
        if not self.listed:
            known = predictor and predictor.covariance(name, self.genes)
            return of_sample(choices, self.genes, matter, values, known)
        found = of_all(choices, self.genes, matter, values)
        if predictor is None:
            return found
        rows = np.random.default_rng(0).permutation(len(values))[:_FEW]
        weights = weights_of_sample(choices, self.genes[rows], matter[rows])
        known = predictor.covariance(name, self.genes[rows])
        return replace(found, covariance=weights @ known @ weights.T)


def listed(row: Row, predictor: Predictor | None) -> Population:
    """Return all architectures of a space that works on a device, of a search's tables.

    ``predictor`` is that of the device's metrics, where they are predicted.
    """
    space = plugins.space(row.space)
    assert row.metrics is not None
    assert row.proxy_table is not None
    metrics, proxy = read_parquet(row.metrics), read_parquet(row.proxy_table)
    given = (row.proxy_objective, row.device_objectives)
    searched, sources = objectives_of(proxy, metrics, *given)
    names = {row.proxy_objective: _score(row)}  # as in histories
    searched = searched.rename(columns=names)
    sources = {names.get(name, name): source for name, source in sources.items()}
    values = searched.copy()
    by_arch = metrics.set_index("arch")
    for name in METRICS:
        if name in by_arch and same_everywhere(by_arch[name]) is None:
            values[name] = by_arch[name].reindex(values.index)
            sources[name] = str(metrics["source"].iloc[0])
    if row.accuracies is not None:
        known = read_parquet(row.accuracies).set_index("arch")
        values[TRUE] = 1 - known["accuracy_percent"].reindex(values.index) / 100
        sources[TRUE] = str(known["source"].iloc[0])
    values = values.loc[list(space.all_texts())]
    genes = space.all_genes()
    works = space.connected(genes) & values.notna().all(axis=1).to_numpy()
    values = values[works].reset_index(drop=True)
    return Population(space, genes[works], values, list(searched), sources, True, predictor)


def sampled(
    row: Row,
    predictor: Predictor,
    scorer: OnDemandScorer,
    *,
    count: int,
    seed: int,
) -> Population:
    """Return random architectures, scored and predicted, of a space that is too large to list.

    Architectures that the device will hardly run are left out, so that ``count`` may not be
    reached. InputError if that is all of them.
    """
    space = plugins.space(row.space)
    genes = space.sample(count, np.random.default_rng([seed, *b"lens"]))
    predicted = predictor.predict(genes)
    runs = likely_runs(predicted)
    if not runs.any():
        raise InputError(f"none of {count} random architectures is likely to run on {row.device}")
    genes, predicted = genes[runs], predicted[runs].reset_index(drop=True)
    metrics = [name for name in predictor.metrics if same_everywhere(predicted[name]) is None]
    score = _score(row)
    objectives = [score, *(n for n in metrics if n in (row.device_objectives or metrics))]
    values = predicted[metrics].assign(**{score: scorer.score(genes)[row.proxy_objective]})
    sources = {
        **dict.fromkeys(metrics, predictor.source),
        score: scorer.source(row.proxy_objective),
    }
    return Population(space, genes, values, objectives, sources, False, predictor)


def _score(row: Row) -> str:
    return "proxy_score" if row.proxy_objective == "score" else row.proxy_objective


@dataclass(frozen=True)
class Searched:
    """What the searches of a lens evaluated: ``archs`` with objectives, and the fronts found.

    ``evaluated`` has ``arch`` and the objectives of everything that the device can run, each once;
    ``fronts`` the same of each seed's front, with ``search`` and ``seed``.
    """

    evaluated: pd.DataFrame
    fronts: pd.DataFrame


def searched(rows: Sequence[Row], front: Callable[[pd.DataFrame], np.ndarray]) -> Searched:
    """Return what searches evaluated, and the fronts that the seeds of the first one found.

    ``front`` says which points, float64 (N, M), are on one. InputError if nothing can be run.
    """
    from hanas.fronts.picks import objectives_in

    evaluated, fronts = [], []
    for row in rows:
        history = read_history(row.history, row.search)
        objectives = objectives_in(history)
        runs = history[history["feasible"].to_numpy(dtype=bool)]
        evaluated.append(runs[["arch", *objectives]])
        if row is rows[0]:
            for seed, of_seed in runs.groupby("seed"):
                points = of_seed.loc[front(of_seed[objectives]), ["arch", *objectives]]
                fronts.append(points.assign(search=row.search, seed=seed))
    if not fronts:
        raise InputError("the search found no architecture that the device can run")
    of_all = pd.concat(evaluated).drop_duplicates("arch", ignore_index=True)
    return Searched(of_all, pd.concat(fronts, ignore_index=True))
