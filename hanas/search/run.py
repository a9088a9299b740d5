"""Run all searches of a task, a device and a proxy, on tables or on scores computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.data.tables.metric_tables import METRICS
from hanas.search.searchers._searcher import Evaluate, Searcher

if TYPE_CHECKING:
    from hanas.devices.prediction.predictor import Predictor
    from hanas.proxies._proxy import OnDemandScorer
    from hanas.spaces._space import Space

    Log = Callable[[str], None]


def search_tables(
    space: Space,
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    searches: Mapping[str, Searcher],
    proxy_objective: str,
    device_objectives: Sequence[str] | None,
    log: Log,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Search a space whose every architecture has its score and its metrics in a table.

    The tables are those of :func:`objectives_of`; ``searches`` are run one after the other.

    Returns
    -------
    history
        Every evaluation: ``search``, ``seed``, ``evaluation`` (from 0 within a seed),
        ``generation``, ``arch``, the objectives, ``feasible`` and ``score`` (what a scalar
        searcher minimises; NaN for Pareto searchers). An objective named ``score``, that of a
        proxy which is no error, is ``proxy_score`` here.
    sources
        Where each objective comes from.

    Raises
    ------
    InputError
        As :func:`objectives_of`, or if a searcher refuses the objectives.
    """
    objectives, sources = objectives_of(proxy, device, proxy_objective, device_objectives)
    texts = np.array(space.all_texts())
    values = objectives.loc[texts].to_numpy()  # (number of architectures, M)
    history = _run_all(
        searches,
        space.choices,
        list(objectives),
        lambda genes: values[space.index_of(genes)],
        lambda genes: texts[space.index_of(genes)],
        log,
    )
    return history, sources


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

    What the device will hardly run, in the eyes of the predictor of its metrics, is not scored,
    and stands in the history as infeasible. Returns what :func:`search_tables` does.

    Raises
    ------
    InputError
        If the parts do not fit each other, or a score is not finite.
    """
    from hanas.devices.prediction.predictor import likely_runs

    if predictor.features.space != space.name:
        raise InputError(f"the predictor is of {predictor.features.space}, not of {space.name}")
    if proxy_objective not in scorer.columns:
        raise InputError(
            f"the proxy has no {proxy_objective!r}; it has: {', '.join(scorer.columns)} "
            "(see objective)"
        )
    metrics = _chosen(predictor.metrics, device_objectives)

    def evaluate(genes: np.ndarray) -> np.ndarray:
        expected = predictor.predict(genes)
        objectives = np.full((len(genes), 1 + len(metrics)), np.nan)
        able = likely_runs(expected)
        if able.any():
            objectives[able, 0] = scorer.score(genes[able])[proxy_objective]
            objectives[able, 1:] = expected.loc[able, metrics].to_numpy(dtype=float)
        return objectives

    history = _run_all(
        searches,
        space.choices,
        [proxy_objective, *metrics],
        evaluate,
        lambda genes: [space.to_text(row) for row in genes],
        log,
    )
    sources = dict.fromkeys(metrics, predictor.source)
    return history, {proxy_objective: scorer.source(proxy_objective), **sources}


def objectives_of(
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    proxy_objective: str,
    device_objectives: Sequence[str] | None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Join a proxy and a device's metrics into the objectives of a search, all minimised.

    Parameters
    ----------
    proxy
        Proxy table: ``arch``, ``source`` and a column named ``proxy_objective``.
    device
        Device table: ``arch``, ``feasible``, ``source`` and metrics.
    device_objectives
        Metrics to minimise; None for all that the device has.

    Returns
    -------
    objectives
        Indexed by ``arch``, in the order of the proxy table; a column an objective. Rows of
        architectures that the device cannot run are NaN.
    sources
        Where each objective comes from.

    Raises
    ------
    InputError
        If a table lacks a column or an architecture, or a score is not finite.
    """
    if proxy_objective not in proxy:
        raise InputError(f"the proxy table has no column {proxy_objective!r}")
    wanted = _chosen([metric for metric in METRICS if metric in device], device_objectives)
    joined = proxy.merge(device, on="arch", how="left", validate="1:1", suffixes=("", "_device"))
    missing = joined["feasible"].isna()
    if missing.any():
        raise InputError(
            f"{int(missing.sum())} architectures have a proxy but no device metrics, "
            f"the first: {joined.loc[missing, 'arch'].iloc[0]}"
        )
    scores = joined[proxy_objective]
    if not np.isfinite(scores).all():
        worst = joined.loc[~np.isfinite(scores), "arch"].iloc[0]
        raise InputError(f"the proxy's {proxy_objective} of {worst} is not a finite number")
    objectives = joined.set_index("arch")[[proxy_objective, *wanted]].astype(float)
    objectives[~joined["feasible"].to_numpy(dtype=bool)] = np.nan
    sources = {proxy_objective: str(proxy["source"].iloc[0])}
    return objectives, sources | dict.fromkeys(wanted, str(device["source"].iloc[0]))


def _chosen(has: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return which metrics of a device are objectives."""
    for metric in wanted or []:
        if metric not in has:
            raise InputError(
                f"the device has no {metric}; it has: {', '.join(has)} (see objectives)"
            )
    return list(has if wanted is None else wanted)


def _run_all(
    searches: Mapping[str, Searcher],
    choices: Sequence[int],
    objectives: Sequence[str],
    evaluate: Evaluate,
    texts_of: Callable[[np.ndarray], Sequence[str] | np.ndarray],
    log: Log,
) -> pd.DataFrame:
    columns = ["proxy_score" if name == "score" else name for name in objectives]
    histories = []
    for name, searcher in searches.items():
        for seed in range(searcher.seeds):
            history = searcher.search(choices, evaluate, np.random.default_rng(seed))
            frame = pd.DataFrame(
                {
                    "search": name,
                    "seed": seed,
                    "evaluation": np.arange(len(history)),
                    "generation": history.generation,
                    "arch": texts_of(history.genes),
                }
            )
            frame[columns] = history.objectives
            frame["feasible"] = history.feasible
            frame["score"] = history.score
            histories.append(frame)
            log(f"{name}, seed {seed}: {len(history)} unique evaluations")
    return pd.concat(histories, ignore_index=True)
