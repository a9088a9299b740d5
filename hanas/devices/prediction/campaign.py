"""Measure a few architectures of a space in rounds and fit what predicts all others.

The initial design is random, with the smallest and the largest architecture; each further batch
is measured where most is learnt about all others. Some more random ones are measured only to judge
the predictions. Which ones are measured follows from the seed and from what was measured before,
and measurements are kept, so a campaign that was killed goes on where it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.progress import Log, print_at_once
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.core.settings import Settings
from hanas.data.images import load_images
from hanas.data.tables.metric_tables import METRICS
from hanas.devices._device import Campaign, MeasuredDevice
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.models import untrained
from hanas.devices.prediction import predictor
from hanas.devices.prediction.next_measurements import next_batch, random_genes, without
from hanas.devices.prediction.predictor import LEAST, Predictor
from hanas.spaces._space import Network, Space

#: Returns a row for each architecture, by their texts: ``arch``, ``feasible``, the metrics (NaN
#: where not feasible) and whatever else there is to keep.
Measure = Callable[[list[str]], pd.DataFrame]
#: Columns of how well a predictor does on models that were measured only to judge it.
QUALITY = (
    *("metric", "fitted", "held_out", "spearman_rho", "kendall_tau", "median_relative_error"),
    *("p90_relative_error", "within_one_deviation", "within_two_deviations"),
    *("flops_spearman_rho", "flops_kendall_tau", "flops_median_relative_error"),
    *("flops_p90_relative_error", "again_median_relative_difference"),
)


def run(
    campaign: Campaign,
    device: MeasuredDevice,
    *,
    space: str,
    network: Settings,
    images: Path,
    workspace: Path,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
    """Run a campaign on a device, whose measurements are kept in a workspace; see :func:`conduct`.

    The file of the data set, ``images``, gives classes and side of the networks.
    """
    calls = itertools.count()

    def measure(archs: list[str]) -> pd.DataFrame:
        # One A/A check a campaign, of models as they come: those chosen later are odd ones.
        again = None if next(calls) == 0 else 0
        models = untrained(archs, space=space, device=device, network=network, images=images)
        return measure_models(models, device, workspace=workspace, again=again, log=log)

    size = load_images(images).images.shape[1:3]
    fitting = plugins.space(space).for_images(network, size, device.resolution, images)
    return conduct(space, campaign, measure, network=fitting, log=log)


def conduct(
    space: str,
    campaign: Campaign,
    measure: Measure,
    *,
    network: Network | None = None,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, Predictor, pd.DataFrame]:
    """Run a campaign with any function that measures, and networks fitted to the images.

    Returns the rows of ``measure`` in the order in which they were asked for, with ``purpose``
    (``fit`` or ``held_out``) and ``round``, counted from 0; the predictor that is fitted to those
    for that purpose; and what :func:`judge` says of it, a row a
    metric. InputError if too few of the architectures can be run on the device.
    """
    rng = np.random.default_rng(campaign.seed)
    archive = _Archive(plugins.space(space), measure, network)
    archive.measure_initial_design(campaign, rng)
    while True:
        fitted = archive.fit()
        quality = archive.quality(fitted)
        done = len(archive.of("fit"))
        log(_described(quality, done, campaign.models))
        worst = quality["median_relative_error"].max(skipna=False)
        good = campaign.until_error is not None and worst <= campaign.until_error
        if done >= campaign.models or good:
            break
        count = min(campaign.each_round, campaign.models - done)
        try:
            chosen = next_batch(fitted, archive.genes(), count, rng=rng)
        except InputError as error:  # the space has fewer architectures
            log(str(error))
            break
        archive.measure(chosen, ["fit"] * len(chosen))
    return archive.measurements, fitted, quality


class _Archive:
    """What was measured so far."""

    def __init__(self, space: Space, measure: Measure, network: Network | None) -> None:
        self.space, self.network = space, network
        self._measure, self._rounds = measure, itertools.count()
        self._tables: list[pd.DataFrame] = []

    @property
    def measurements(self) -> pd.DataFrame:
        return pd.concat(self._tables, ignore_index=True)

    def measure_initial_design(self, campaign: Campaign, rng: np.random.Generator) -> None:
        ends = without(np.array([self.space.largest, self.space.smallest]), np.empty((0, 0)))
        count = campaign.first + campaign.held_out
        drawn = without(random_genes(self.space.name, count + len(ends), rng), ends)
        genes = np.concatenate([ends, drawn])[:count]
        purposes = ["fit"] * campaign.first + ["held_out"] * campaign.held_out
        self.measure(genes, purposes[: len(genes)])

    def measure(self, genes: np.ndarray, purposes: list[str]) -> None:
        table = self._measure([self.space.to_text(row) for row in genes])
        self._tables.append(table.assign(purpose=purposes, round=next(self._rounds)))

    def of(self, purpose: str) -> pd.DataFrame:
        return self.measurements[self.measurements["purpose"] == purpose]

    def genes(self, purpose: str | None = None) -> np.ndarray:
        archs = (self.of(purpose) if purpose else self.measurements)["arch"]
        found = [self.space.from_text(arch) for arch in archs]
        return np.array(found, dtype=np.int64).reshape(-1, len(self.space.choices))

    def _metrics(self, purpose: str) -> dict[str, np.ndarray]:
        table = self.of(purpose)
        return {name: table[name].to_numpy(np.float64) for name in METRICS if name in table}

    def fit(self) -> Predictor:
        table = self.of("fit")
        runs = table["feasible"].to_numpy(dtype=bool)
        if runs.sum() < LEAST:
            reasons = "; ".join(sorted({str(r) for r in table.get("reason", []) if str(r)})[:3])
            raise InputError(
                f"the device can run {runs.sum()} of {len(table)} architectures of "
                f"{self.space.name}; a predictor needs {LEAST} at least"
                f"{f' ({reasons})' if reasons else ''}"
            )
        return predictor.fit(
            self.space.name,
            self.genes("fit"),
            self._metrics("fit"),
            source="; ".join(sorted(set(table.loc[runs, "source"]))),
            network=self.network,
        )

    def quality(self, fitted: Predictor) -> pd.DataFrame:
        held_out, again, table = self.genes("held_out"), {}, self.measurements
        if "again_latency_ms" in table:
            one, other = table["latency_ms"], table["again_latency_ms"]
            known = (np.abs(one - other) / ((one + other) / 2)).dropna()
            again = {"latency_ms": float(np.median(known))} if len(known) else {}
        return judge(fitted, held_out, self._metrics("held_out"), again=again)


def _described(quality: pd.DataFrame, fitted: int, models: int) -> str:
    rows: list[Any] = [row for row in quality.itertuples() if row.held_out]
    said = [
        f"{row.metric} off by {row.median_relative_error:.1%} in the median, Spearman "
        f"{row.spearman_rho:.3f} (FLOPs {row.flops_spearman_rho:.3f})"
        for row in rows
    ]
    judged = f"; on {quality['held_out'].max()} held-out ones: {'; '.join(said)}" if said else ""
    return f"fitted to {fitted} of {models} models{judged}"


def judge(
    predictor: Predictor,
    genes: np.ndarray,
    measured: Mapping[str, np.ndarray],
    *,
    again: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Compare predictions with what was ``measured`` of held-out architectures, int (N, G).

    For each metric of the predictor that is float64 (N,), NaN where the device cannot run one.
    ``again`` says for a metric by what fraction its values differed when models were measured
    twice, in the median: no prediction can be better.

    Returns a row a metric: ``fitted``, ``held_out`` (how many models of each), ranks and relative
    errors (fractions), the share of held-out models within one and two predicted deviations (0.68
    and 0.95, if those are right), the same of the straight line through FLOPs and metric of the
    fitted models, and ``again_median_relative_difference``. NaN where too few models were held out,
    or nothing is known.
    """
    predicted, rows = predictor.predict(genes), []
    flops = predictor.features.multiply_accumulates(genes)
    flops_fitted = predictor.features.multiply_accumulates(predictor.genes)
    for metric in predictor.metrics:
        true, of_fitted = np.asarray(measured[metric], np.float64), predictor.values[metric]
        known, fitted = np.isfinite(true), np.isfinite(of_fitted)
        expected = predicted[metric].to_numpy()[known]
        off = np.abs(true[known] - expected)
        deviation = predicted[f"{metric}_deviation"].to_numpy()[known]
        line = np.polynomial.Polynomial.fit(flops_fitted[fitted], of_fitted[fitted], 1)
        rows.append(
            {
                "metric": metric,
                "fitted": int(fitted.sum()),
                "held_out": int(known.sum()),
                **_compared("", expected, true[known]),
                **_compared("flops_", line(flops[known]), true[known], ranked_by=flops[known]),
                "within_one_deviation": np.mean(off <= deviation) if len(off) else np.nan,
                "within_two_deviations": np.mean(off <= 2 * deviation) if len(off) else np.nan,
                "again_median_relative_difference": (again or {}).get(metric, np.nan),
            }
        )
    return pd.DataFrame(rows, columns=list(QUALITY))


def _compared(
    prefix: str, expected: np.ndarray, true: np.ndarray, *, ranked_by: np.ndarray | None = None
) -> dict[str, float]:
    """Return ranks and relative errors; NaN where there are too few values."""
    score = expected if ranked_by is None else ranked_by
    errors, some, enough = np.abs(expected / true - 1), len(true) > 0, len(true) > 1
    found = {
        "spearman_rho": spearman_rho(score, true) if enough else np.nan,
        "kendall_tau": kendall_tau(score, true) if enough else np.nan,
        "median_relative_error": float(np.median(errors)) if some else np.nan,
        "p90_relative_error": float(np.quantile(errors, 0.9)) if some else np.nan,
    }
    return {f"{prefix}{name}": value for name, value in found.items()}
