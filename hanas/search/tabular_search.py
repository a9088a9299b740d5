"""Search a space whose every architecture has its proxy and its device metrics in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.errors import InputError
from hanas.search import seeded_searches
from hanas.spaces._space import Space

METRICS = ("latency_ms", "energy_mj")


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
        One of :data:`hanas.proxies._proxy.SCORES`.
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
    wanted = seeded_searches.chosen_metrics(has, device_objectives)
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
    space: Space,
    objectives: pd.DataFrame,
    settings: Mapping[str, Any],
    log: Callable[[str], None],
) -> pd.DataFrame:
    """Run a searcher with seeds 0, 1, ... and return every evaluation.

    Returns
    -------
    DataFrame
        See :func:`hanas.search.seeded_searches.search_all_seeds`.
    """
    texts = np.array(space.all_texts())
    values = objectives.loc[texts].to_numpy()  # (number of architectures, M)
    return seeded_searches.search_all_seeds(
        space.choices,
        list(objectives),
        lambda genes: values[space.index_of(genes)],
        lambda genes: texts[space.index_of(genes)],
        settings,
        log,
    )
