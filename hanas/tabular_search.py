"""Search a space whose every architecture has its proxy and its device metrics in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from hanas import plugins
from hanas.errors import InputError

METRICS = ("latency_ms", "energy_mj")
#: Settings of a search entry that are not the searcher's own.
_NOT_SEARCHERS = {
    "revision",
    "searcher",
    "seeds",
    "space",
    "proxy_objective",
    "device_objectives",
}


def objectives_of(
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    *,
    proxy_objective: str,
    device_objectives: str | list[str],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Join a proxy and a device's metrics into the objectives of a search, all minimised.

    Parameters
    ----------
    proxy
        Proxy table: ``arch``, ``source`` and a column named ``proxy_objective``.
    device
        Device table: ``arch``, ``feasible``, ``source`` and metrics.
    proxy_objective
        ``error``, ``cross_entropy`` or ``score``.
    device_objectives
        Metrics to minimise, or ``"all"`` that the device has.

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
    has = [metric for metric in METRICS if metric in device]
    wanted = has if device_objectives == "all" else list(device_objectives)
    for metric in wanted:
        if metric not in has:
            raise InputError(
                f"the device has no {metric}; it has: {', '.join(has)} (see objectives)"
            )
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
    sources.update(dict.fromkeys(wanted, str(device["source"].iloc[0])))
    return objectives, sources


def search_all_seeds(
    space: ModuleType,
    objectives: pd.DataFrame,
    settings: Mapping[str, Any],
    log: Callable[[str], None],
) -> pd.DataFrame:
    """Run a searcher with seeds 0, 1, ... and return every evaluation.

    Returns
    -------
    DataFrame
        ``seed``, ``evaluation`` (from 0 within a seed), ``generation``, ``arch``, the objectives,
        ``feasible`` and ``score`` (what a scalar searcher minimises; NaN for Pareto searchers).
        An objective named ``score``, that of a proxy which is no error, is ``proxy_score`` here.
    """
    columns = ["proxy_score" if name == "score" else name for name in objectives]
    texts = np.array(space.all_texts())
    values = objectives.loc[texts].to_numpy()  # (number of architectures, M)
    searcher = plugins.load("searchers", settings["searcher"])
    own = {key: value for key, value in settings.items() if key not in _NOT_SEARCHERS}

    def evaluate(genes: np.ndarray) -> np.ndarray:
        return values[space.index_of(genes)]

    histories = []
    for seed in range(settings["seeds"]):
        history = searcher.search(space.choices, evaluate, own, np.random.default_rng(seed))
        count = len(history.genes)
        frame = pd.DataFrame(
            {
                "seed": np.full(count, seed),
                "evaluation": np.arange(count),
                "generation": history.generation,
                "arch": texts[space.index_of(history.genes)],
            }
        )
        frame[columns] = history.objectives
        frame["feasible"] = ~np.isnan(history.objectives).any(axis=1)
        frame["score"] = history.score
        histories.append(frame)
        log(f"seed {seed}: {count} unique evaluations")
    return pd.concat(histories, ignore_index=True)
