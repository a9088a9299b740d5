"""Search a space that is too large for a table: what is asked for is scored and predicted then.

The error of an architecture comes from a supernet (:mod:`hanas.proxies.scoring.layerwise_scoring`) or from
a count, its latency and energy from a predictor that a measuring campaign has fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.errors import InputError
from hanas.devices.prediction import predictor as predictors
from hanas.proxies.scoring.layerwise_scoring import LayerwiseScorer
from hanas.search import seeded_searches
from hanas.spaces._space import Space

#: Kinds of proxies that are counts, and what is said of them.
COUNTS = {"params": "number of parameters", "flops": "multiply-accumulates"}

#: genes (N, G) -> columns of scores, float64 (N,), of which lower is better.
Score = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def search(
    *,
    settings: Mapping[str, Any],
    weights: str | Path | None,
    images: str | Path | None,
    predictor: str | Path,
    kept: str | Path,
    threads: int,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Run a searcher with seeds 0, 1, ... and return every evaluation.

    The result depends neither on what ``kept`` holds nor on ``threads``, and a search that was
    killed goes on from what it has kept.

    Parameters
    ----------
    settings
        An entry of ``searches`` with ``space``, ``proxy`` (``kind`` and what
        :class:`hanas.proxies.scoring.layerwise_scoring.LayerwiseSettings` knows; ``network`` of a count),
        ``proxy_objective`` (a score of the proxy) and ``device_objectives`` (metrics to minimise,
        or ``"all"`` that are predicted).
    weights, images
        Files of the supernet and of its data set; None for a proxy that needs none.
    predictor
        File of the predictor of the device, see :func:`hanas.devices.prediction.predictor.load`.
    kept
        Folder of the scores that are known, of any number of searches.
    threads
        Worker processes of one thread each, on a CPU.
    log
        Takes a line of text for the log.

    Returns
    -------
    history
        See :func:`hanas.search.seeded_searches.search_all_seeds`.
    sources
        Where each objective comes from.

    Raises
    ------
    InputError
        If a file is damaged or they do not fit each other, a setting cannot be, or a score is not
        finite.
    """
    space = plugins.space(settings["space"])
    proxy, objective = settings["proxy"], settings["proxy_objective"]
    predicted = _predictor(predictor, settings["space"])
    metrics = seeded_searches.chosen_metrics(predicted.metrics, settings["device_objectives"])
    with ExitStack() as stack:
        if proxy["kind"] in COUNTS:
            score, source = _count(space, proxy), _said_of_count(proxy)
            columns: tuple[str, ...] = ("score",)
        elif proxy["kind"] == "supernet":
            if weights is None or images is None:
                raise InputError("proxy supernet: needs the files of a supernet and its data set")
            scorer = stack.enter_context(
                LayerwiseScorer(
                    space=settings["space"],
                    settings=proxy,
                    weights=weights,
                    images=images,
                    kept=kept,
                    threads=threads,
                    log=log,
                )
            )
            score, columns = scorer.score, scorer.settings.columns
            source = scorer.source(objective)
        else:
            raise InputError(
                f"proxy.kind is {proxy['kind']!r}; in space {settings['space']!r}, which is too "
                f"large for a table, expected one of: supernet, {', '.join(COUNTS)}"
            )
        if objective not in columns:
            raise InputError(
                f"the proxy has no {objective!r}; it has: {', '.join(columns)} (see objective)"
            )

        def evaluate(genes: np.ndarray) -> np.ndarray:
            expected = predicted.predict(genes)
            objectives = np.full((len(genes), 1 + len(metrics)), np.nan)
            able = predictors.likely_runs(expected)
            if able.any():
                objectives[able, 0] = score(genes[able])[objective]
                objectives[able, 1:] = expected.loc[able, metrics].to_numpy(dtype=float)
            return objectives

        history = seeded_searches.search_all_seeds(
            space.choices,
            [objective, *metrics],
            evaluate,
            lambda genes: [space.to_text(row) for row in genes],
            settings,
            log,
        )
    return history, {objective: source, **dict.fromkeys(metrics, predicted.source)}


def _predictor(path: str | Path, space: str) -> predictors.Predictor:
    """Return the predictor of a file, which must be of the space."""
    loaded = predictors.load(path)
    if loaded.features.space != space:
        raise InputError(f"{path} predicts {loaded.features.space}, not {space}")
    return loaded


def _count(space: Space, proxy: Mapping[str, Any]) -> Score:
    """Return the score of a count: minus the count, as of the tables of these proxies."""
    count = getattr(space, proxy["kind"])

    def score(genes: np.ndarray) -> dict[str, np.ndarray]:
        return {"score": -count(genes, network=proxy.get("network")).astype(float)}

    return score


def _said_of_count(proxy: Mapping[str, Any]) -> str:
    size = "network" if proxy.get("network") else "full-size network"
    return f"{COUNTS[proxy['kind']]} of the {size}, computed"
