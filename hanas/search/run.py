"""Run all searches of a task, a device and a proxy, on tables or on scores computed on demand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hanas.core import live
from hanas.core.errors import InputError
from hanas.core.progress import Log
from hanas.data.tables.metric_tables import METRICS
from hanas.proxies._proxy import require_scores
from hanas.search.searchers._searcher import Evaluate, PartlyUsed, Searcher

#: Metrics that differ by less, relatively, are the same.
_ROUNDING = 1e-9

if TYPE_CHECKING:
    from hanas.devices.prediction.predictor import Predictor
    from hanas.proxies._proxy import OnDemandScorer
    from hanas.spaces._space import Space


def search_tables(
    space: Space, objectives: pd.DataFrame, searches: Mapping[str, Searcher], log: Log
) -> pd.DataFrame:
    """Search a space whose every architecture is in a table of :func:`objectives_of`.

    Returns the history of every evaluation: ``search``, ``seed``, ``evaluation`` (from 0 within a
    seed), ``generation``, ``arch``, the objectives (a proxy's that is named ``score`` as
    ``proxy_score``), ``feasible`` and ``score`` (what a scalar searcher minimises; NaN for Pareto
    searchers).
    """
    values = objectives.loc[list(space.all_texts())].to_numpy()  # (number of architectures, M)

    def evaluate(genes: np.ndarray) -> np.ndarray:
        return values[space.index_of(genes)]

    return _run_all(searches, space, list(objectives), evaluate, log)


def search_on_demand(
    space: Space,
    scorer: OnDemandScorer,
    predictor: Predictor,
    searches: Mapping[str, Searcher],
    proxy_objective: str,
    device_objectives: Sequence[str] | None,
    log: Log,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Search a space that is too large for a table: what is asked for is scored and predicted.

    What the device will hardly run, as predicted, is not scored, and infeasible in the history.
    Returns the history as :func:`search_tables` does, and where each objective comes from. Raises
    InputError if the parts do not fit.
    """
    from hanas.devices.prediction.predictor import likely_runs

    if predictor.features.space != space.name:
        raise InputError(f"the predictor is of {predictor.features.space}, not of {space.name}")
    if proxy_objective not in scorer.columns:
        has = ", ".join(scorer.columns)
        raise InputError(f"the proxy has no {proxy_objective!r}; it has: {has} (see objective)")
    metrics = _that_differ(_chosen(predictor.metrics, device_objectives), predictor.values)

    def evaluate(genes: np.ndarray) -> np.ndarray:
        expected = predictor.predict(genes)
        objectives = np.full((len(genes), 1 + len(metrics)), np.nan)
        able = likely_runs(expected)
        if able.any():
            scores, scored = scorer.score(genes[able])[proxy_objective], genes[able]
            require_scores(
                scores, lambda row: space.to_text(scored[row]), f"the proxy's {proxy_objective}"
            )
            objectives[able, 0] = scores
            objectives[able, 1:] = expected.loc[able, metrics].to_numpy(dtype=float)
        return objectives

    history = _run_all(searches, space, [proxy_objective, *metrics], evaluate, log)
    sources = dict.fromkeys(metrics, predictor.source)
    return history, {proxy_objective: scorer.source(proxy_objective), **sources}


def objectives_of(
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    proxy_objective: str,
    device_objectives: Sequence[str] | None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Join a proxy table and a device table into the objectives of a search, all minimised.

    ``device_objectives`` are metrics; None for all that the device has. Returns the objectives,
    indexed by ``arch`` in the order of the proxy table, NaN for what the device cannot run; and
    where each is from. A metric that is the same everywhere is no objective and is left out
    (:func:`same_everywhere`). Raises InputError if a table lacks something, or a score is not
    finite.
    """
    if proxy_objective not in proxy:
        raise InputError(f"the proxy table has no column {proxy_objective!r}")
    wanted = _chosen([metric for metric in METRICS if metric in device], device_objectives)
    wanted = _that_differ(wanted, device)
    joined = proxy.merge(device, on="arch", how="left", validate="1:1", suffixes=("", "_device"))
    if missing := joined.loc[joined["feasible"].isna(), "arch"].tolist():
        said = f"{len(missing)} architectures have a proxy but no device metrics"
        raise InputError(f"{said}, the first: {missing[0]}")
    for worst in joined.loc[~np.isfinite(joined[proxy_objective]), "arch"]:
        raise InputError(f"the proxy's {proxy_objective} of {worst} is not a finite number")
    objectives = joined.set_index("arch")[[proxy_objective, *wanted]].astype(float)
    objectives[~joined["feasible"].to_numpy(dtype=bool)] = np.nan
    sources = {proxy_objective: str(proxy["source"].iloc[0])}
    return objectives, sources | dict.fromkeys(wanted, str(device["source"].iloc[0]))


def _chosen(has: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    for metric in wanted or []:
        if metric not in has:
            raise InputError(
                f"the device has no {metric}; it has: {', '.join(has)} (see objectives)"
            )
    return list(has if wanted is None else wanted)


def same_everywhere(values: ArrayLike) -> float | None:
    """Return the one value of a metric, float (N,), NaN where infeasible; None if it differs.

    Such as a data sheet's energy in every row. What differs by rounding only is the same.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2 or np.ptp(known) > _ROUNDING * abs(known).max():
        return None
    return float(known[0])


def left_out(metrics: Mapping[str, ArrayLike], wanted: Sequence[str] | None) -> dict[str, str]:
    """Return the wanted metrics that are no objectives because they are the same everywhere.

    With a sentence each, for the log and the page.
    """
    return {
        name: f"for every architecture {name} is {value:g}, so it plays no part in the search; "
        "the device's setting `objectives` names the metrics that count"
        for name, values in metrics.items()
        if (wanted is None or name in wanted) and (value := same_everywhere(values)) is not None
    }


def _that_differ(wanted: list[str], metrics: Mapping[str, Any] | pd.DataFrame) -> list[str]:
    differ = [name for name in wanted if same_everywhere(metrics[name]) is None]
    if not differ:
        said = "; ".join(f"{name} is {same_everywhere(metrics[name]):g}" for name in wanted)
        raise InputError(
            f"for every architecture {said}: there is no front to search; expected metrics of the "
            "device that differ between architectures"
        )
    return differ


def _run_all(
    searches: Mapping[str, Searcher],
    space: Space,
    objectives: Sequence[str],
    evaluate: Evaluate,
    log: Log,
) -> pd.DataFrame:
    if space.count != math.prod(space.choices):
        evaluate = PartlyUsed(evaluate, space.used, space.count)
    columns = ["proxy_score" if name == "score" else name for name in objectives]
    histories = []
    runs = sum(searcher.seeds for searcher in searches.values())
    for name, searcher in searches.items():
        for seed in range(searcher.seeds):
            more = runs - len(histories) - 1
            live.among(f"search {runs - more} of {runs} ({name}, seed {seed})", more)
            found = searcher.search(space.choices, evaluate, np.random.default_rng(seed))
            if space.enumerable:  # looking up is quicker
                archs = np.array(space.all_texts())[space.index_of(found.genes)]
            else:
                archs = [space.to_text(row) for row in found.genes]
            frame = pd.DataFrame({"search": name, "seed": seed, "evaluation": range(len(found))})
            frame["generation"], frame["arch"] = found.generation, archs
            frame[columns] = found.objectives
            frame["feasible"], frame["score"] = found.feasible, found.score
            histories.append(frame)
            log(f"{name}, seed {seed}: {len(found)} unique evaluations")
    return pd.concat(histories, ignore_index=True)
