"""Measure a few architectures of a space in rounds and fit what predicts all others.

The first are random, the smallest and the largest among them; each further round measures where
most is learnt about all others. Some more random ones are measured only to judge the predictions.
Which ones are measured follows from the seed and from what was measured before, and measurements
are kept, so a campaign that was killed goes on where it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.errors import InputError
from hanas.core.settings import check_number, from_mapping
from hanas.data.images import load_images
from hanas.data.tables.metric_tables import METRICS
from hanas.devices.measuring import architectures_as_models
from hanas.devices.measuring import measure as measuring
from hanas.devices.prediction import predictor, predictor_quality
from hanas.devices.prediction.next_measurements import next_batch, random_genes, without
from hanas.devices.prediction.predictor import LEAST, Predictor
from hanas.devices.prediction.predictor_features import multiply_accumulates
from hanas.spaces._space import Space
from hanas.spaces.networks import architectures

#: Measures architectures by their texts; see :func:`hanas.devices.measuring.measure.measure_models`.
Measure = Callable[[list[str]], pd.DataFrame]


@dataclass(frozen=True)
class CampaignSettings:
    """Which architectures are measured.

    Parameters
    ----------
    models
        How many the predictor is fitted to, at most.
    first
        How many of them are random, the smallest and the largest among them.
    each_round
        How many are then chosen at a time.
    held_out
        Further random ones that are measured only to judge.
    until_error
        Median relative error on the held-out ones, of the worst metric, at which measuring stops;
        None: never.
    seed
        Of the random ones.
    """

    models: int = 50
    first: int = 20
    each_round: int = 10
    held_out: int = 10
    until_error: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("models", self.models, at_least=LEAST, whole=True)
        check_number("first", self.first, at_least=LEAST, at_most=self.models, whole=True)
        check_number("each_round", self.each_round, at_least=1, whole=True)
        check_number("held_out", self.held_out, at_least=0, whole=True)
        check_number("seed", self.seed, at_least=0, whole=True)
        if self.until_error is not None:
            check_number("until_error", self.until_error, above=0)
            if self.held_out < LEAST:
                raise InputError(
                    f"until_error is {self.until_error:g}, but held_out is {self.held_out}; "
                    f"expected {LEAST} held-out models at least to judge by"
                )


def measure_architectures(
    archs: list[str],
    *,
    space: str,
    settings: Mapping[str, Any],
    images: Path,
    workspace: Path,
    log: Log,
) -> pd.DataFrame:
    """Measure architectures that are not trained; parameters are those of :func:`run`."""
    models = architectures_as_models.writers(archs, space=space, settings=settings, images=images)
    return measuring.measure_models(
        models, kind=settings["kind"], settings=settings, workspace=workspace, log=log
    )


def run(
    *,
    space: str,
    settings: Mapping[str, Any],
    images: Path,
    workspace: Path,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
    """Run a campaign on a device.

    Parameters
    ----------
    space
        Name of the space.
    settings
        ``campaign``: those of :class:`CampaignSettings`; ``kind``: a meter; those of
        :func:`hanas.devices.measuring.measure.measure_models` and
        :func:`hanas.devices.measuring.architectures_as_models.writers`.
    images
        File of the data set: gives classes and side of the networks.
    workspace
        Where measurements of the device are kept.
    log
        Takes a line of text for the log.

    Returns
    -------
    measurements, predictor, quality
        See :func:`conduct`.
    """
    calls = itertools.count()

    def measure(archs: list[str]) -> pd.DataFrame:
        # One A/A check a campaign, of models as they come: those chosen later are odd ones.
        again = {} if next(calls) == 0 else {"again": 0}
        return measure_architectures(
            archs,
            space=space,
            settings={**settings, **again},
            images=images,
            workspace=workspace,
            log=log,
        )

    fitted = architectures.settings_for_images(
        plugins.space(space),
        settings.get("network", {}),
        load_images(images).images.shape[1:3],
        settings.get("resolution"),
        images,
    )
    chosen = from_mapping(CampaignSettings, settings.get("campaign", {}), "campaign")
    network = fitted.model_dump(exclude_unset=True)
    return conduct(space, chosen, measure, network=network, log=log)


def conduct(
    space: str,
    settings: CampaignSettings,
    measure: Measure,
    *,
    network: Mapping[str, Any] | None = None,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
    """Run a campaign with any function that measures.

    Parameters
    ----------
    space
        Name of the space.
    settings
        See above.
    measure
        Returns a row for each architecture, in the order given: ``arch``, ``feasible``, the
        metrics (NaN where not feasible) and whatever else there is to keep.
    network
        Settings of the networks, filled in by the space's ``for_images``.
    log
        Takes a line of text for the log.

    Returns
    -------
    measurements
        The rows of ``measure`` in the order in which they were asked for, with ``purpose``
        (``fit`` or ``held_out``) and ``round``, counted from 0.
    predictor
        Fitted to those for that purpose.
    quality
        See :func:`hanas.devices.prediction.predictor_quality.judge`; a row a metric.

    Raises
    ------
    InputError
        If too few of the architectures can be run on the device.
    """
    module = plugins.space(space)
    rng = np.random.default_rng(settings.seed)
    first, held_out = _random_ones(space, module, settings, rng)
    campaign = _Campaign(space, module, measure, dict(network or {}))
    purposes = ["fit"] * len(first) + ["held_out"] * len(held_out)
    campaign.measure(np.concatenate([first, held_out]), purposes)
    while True:
        fitted = campaign.fit()
        quality = campaign.quality(fitted)
        log(_described(quality, len(campaign.of("fit")), settings.models))
        left = settings.models - len(campaign.of("fit"))
        worst = quality["median_relative_error"].max(skipna=False)
        if left <= 0 or (settings.until_error is not None and worst <= settings.until_error):
            return campaign.measurements, fitted, quality
        count = min(settings.each_round, left)
        try:
            chosen = next_batch(fitted, campaign.genes(), count, rng=rng)
        except InputError as error:  # the space has fewer architectures
            log(str(error))
            return campaign.measurements, fitted, quality
        campaign.measure(chosen, ["fit"] * len(chosen))


def _random_ones(
    space: str, module: Space, settings: CampaignSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the genes of the first ones to fit to, and of those held out."""
    ends = without(np.array([module.largest, module.smallest]), np.empty((0, 0)))
    drawn = random_genes(space, settings.first + settings.held_out + len(ends), rng)
    drawn = without(drawn, ends)
    inner = settings.first - len(ends)
    return np.concatenate([ends, drawn[:inner]]), drawn[inner : inner + settings.held_out]


class _Campaign:
    """What was measured so far."""

    def __init__(
        self,
        space: str,
        module: Space,
        measure: Measure,
        network: Mapping[str, Any],
    ) -> None:
        self.space, self.module, self.network = space, module, network
        self._measure, self._rounds = measure, itertools.count()
        self._tables: list[pd.DataFrame] = []

    @property
    def measurements(self) -> pd.DataFrame:
        return pd.concat(self._tables, ignore_index=True)

    def measure(self, genes: np.ndarray, purposes: list[str]) -> None:
        table = self._measure([self.module.to_text(row) for row in genes])
        self._tables.append(table.assign(purpose=purposes, round=next(self._rounds)))

    def of(self, purpose: str) -> pd.DataFrame:
        return self.measurements[self.measurements["purpose"] == purpose]

    def genes(self, purpose: str | None = None) -> np.ndarray:
        archs = (self.of(purpose) if purpose else self.measurements)["arch"]
        found = [self.module.from_text(arch) for arch in archs]
        return np.array(found, dtype=np.int64).reshape(-1, len(self.module.choices))

    def _metrics(self, purpose: str) -> dict[str, np.ndarray]:
        table = self.of(purpose)
        return {
            metric: table[metric].to_numpy(dtype=np.float64)
            for metric in METRICS
            if metric in table
        }

    def fit(self) -> Predictor:
        metrics, table = self._metrics("fit"), self.of("fit")
        runs = int(np.count_nonzero(table["feasible"]))
        if runs < LEAST:
            reasons = "; ".join(sorted({str(r) for r in table.get("reason", []) if str(r)})[:3])
            raise InputError(
                f"the device can run {runs} of {len(table)} architectures of {self.space}; a "
                f"predictor needs {LEAST} at least{f' ({reasons})' if reasons else ''}"
            )
        source = "; ".join(sorted(set(table.loc[table["feasible"].astype(bool), "source"])))
        return predictor.fit(
            self.space, self.genes("fit"), metrics, source=source, network=self.network
        )

    def quality(self, fitted: Predictor) -> pd.DataFrame:
        def flops(genes: np.ndarray) -> np.ndarray:
            return multiply_accumulates(self.space, genes, self.network)

        return predictor_quality.judge(
            fitted,
            self.genes("held_out"),
            self._metrics("held_out"),
            flops_fitted=flops(fitted.genes),
            flops=flops(self.genes("held_out")),
            again=_again(self.measurements),
        )


def _again(measurements: pd.DataFrame) -> dict[str, float]:
    """Return by what fraction latencies differ that were measured twice, in the median."""
    if "again_latency_ms" not in measurements:
        return {}
    one = measurements["latency_ms"].to_numpy(dtype=np.float64)
    other = measurements["again_latency_ms"].to_numpy(dtype=np.float64)
    differences = np.abs(one - other) / ((one + other) / 2)
    known = differences[np.isfinite(differences)]
    return {"latency_ms": float(np.median(known))} if len(known) else {}


def _described(quality: pd.DataFrame, fitted: int, models: int) -> str:
    said = [
        f"{row.metric} off by {row.median_relative_error:.1%} in the median, Spearman "
        f"{row.spearman_rho:.3f} (FLOPs {row.flops_spearman_rho:.3f})"
        for row in quality.itertuples()
        if row.held_out
    ]
    judged = f"; on {quality['held_out'].max()} held-out ones: {'; '.join(said)}" if said else ""
    return f"fitted to {fitted} of {models} models{judged}"
