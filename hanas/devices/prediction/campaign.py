"""Measure a few architectures of a space in rounds and fit what predicts all others.

The initial design is random, with the smallest and the largest architecture; each further batch
is measured where most is learnt about all others. Some more random ones are measured only to judge
the predictions. Which ones are measured follows from the seed and from what was measured before,
and measurements are kept, so a campaign that was killed goes on where it was.

A batch takes away most of the variance of the predictions over the whole space (D. A. Cohn, Z.
Ghahramani and M. I. Jordan, "Active Learning with Statistical Models", JAIR 4, 1996), one after the
other: what is known after a measurement does not depend on its value, so it is chosen without
waiting for any. The largest variance itself would be found at the rims of the space, where few
architectures are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import BETWEEN
from hanas.core.progress import Log, print_at_once
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.core.settings import Settings
from hanas.data.images import load_images
from hanas.data.tables.metric_tables import METRICS
from hanas.devices._device import Campaign, MeasuredDevice
from hanas.devices.measuring.measure import Bench
from hanas.devices.measuring.models import untrained
from hanas.devices.measuring.repeatability import MODELS_RANKED
from hanas.devices.prediction import predictor
from hanas.devices.prediction.predictor import LEAST, LINE, PROCESS, Predictor
from hanas.spaces._space import Network, Space, different

#: Returns a row for each architecture, by their texts: ``arch``, ``feasible``, the metrics (NaN
#: where not feasible) and whatever else there is to keep. Rows of others that it was asked for
#: before are what is known of them now.
Measure = Callable[[list[str]], pd.DataFrame]
#: Random architectures that a batch is chosen from, and over which the variance is taken.
CANDIDATES, JUDGES = 1000, 500


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

    The file ``images`` gives classes and side of the networks.
    """
    again, bench = None, Bench(device, workspace, log)

    def measure(archs: list[str]) -> pd.DataFrame:
        nonlocal again
        models = untrained(archs, space=space, device=device, network=network, images=images)
        bench.measure(models, again)
        again = 0  # one A/A check a campaign, of models as they come: those chosen later are odd
        return bench.table()

    size = load_images(images).images.shape[1:3]
    fitting = plugins.space(space).for_images(network, size, device.resolution, images)
    measured, fitted, quality = conduct(space, campaign, measure, network=fitting, log=log)
    return measured, fitted, described(quality, bench, measured)


def described(quality: pd.DataFrame, bench: Bench, measured: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`judge` says, with what is known of the measurements themselves.

    ``statistic`` is of passes; the latency is that of an image, passes are of ``batch`` images.
    ``measured``, ``infeasible`` and ``unstable`` are numbers of models, ``unstable_share`` a
    fraction of those that run. ``rounds`` is the median over models, ``split_half_spearman_rho``
    and ``split_half_median_relative_difference`` compare every second round with the others.
    ``reused`` of the models were measured before this job, from ``reused_from`` to
    ``reused_until`` (UTC). ``changed_factor`` is by what factor the device was found to have
    changed, NaN if it was not. ``scale_question`` asks about numbers that can hardly be
    milliseconds; ``warnings`` are sentences, one after the other with `` | `` between them: why the
    measurements should not be trusted. Texts are empty where there is nothing to say.
    """
    found, runs = bench.repeatability(), measured["feasible"].to_numpy(dtype=bool)
    unstable = int((~measured["stable"].to_numpy(dtype=bool) & runs).sum())
    dates = sorted(at for at in bench.reused.values() if at)
    warnings = bench.warnings()
    return quality.assign(
        statistic=bench.settings.statistic,
        batch=int(measured["batch"].iloc[0]),
        measured=len(measured),
        infeasible=int((~runs).sum()),
        unstable=unstable,
        unstable_share=unstable / runs.sum() if runs.any() else np.nan,
        rounds=found.rounds,
        split_half_spearman_rho=found.split_half_spearman_rho,
        split_half_median_relative_difference=found.split_half_median_relative_difference,
        again_models=found.again_models,
        reused=len(bench.reused),
        reused_from=dates[0] if dates else "",
        reused_until=dates[-1] if dates else "",
        changed_factor=bench.changes[-1] if bench.changes else np.nan,
        scale_question=next((line for line in warnings if "are the numbers mill" in line), ""),
        warnings=BETWEEN.join(warnings),
    )


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
    for that purpose, a straight line through FLOPs where that is as good on the held-out ones; and
    what :func:`judge` says of it, a row a metric, with ``predictor``, which of both it is.
    InputError if too few of the architectures can be run on the device.
    """
    rng, found = np.random.default_rng(campaign.seed), plugins.space(space)
    genes = _initial_design(found, campaign.first + campaign.held_out, rng)
    purposes = ["fit"] * campaign.first + ["held_out"] * campaign.held_out
    plan: dict[str, tuple[str, int]] = {}  # purpose and round of each architecture
    known: dict[str, dict] = {}
    number = 0
    while True:
        archs = [found.to_text(row) for row in genes]
        plan |= {arch: (purpose, number) for arch, purpose in zip(archs, purposes, strict=False)}
        known |= {row["arch"]: row for row in measure(archs).to_dict("records")}
        measured = pd.DataFrame([known[arch] for arch in plan])
        measured["purpose"], measured["round"] = zip(*plan.values(), strict=True)
        of_purpose = {name: measured[measured["purpose"] == name] for name in ("fit", "held_out")}
        fitted = _fitted(found, of_purpose["fit"], network)
        held_out = of_purpose["held_out"]
        again = _difference_again(measured)
        quality = judge(fitted, _genes(found, held_out), _metrics(held_out), again=again)
        done = len(of_purpose["fit"])
        log(_described(quality, done, campaign.models))
        worst = quality["median_relative_error"].max(skipna=False)
        good = campaign.until_error is not None and worst <= campaign.until_error
        if done >= campaign.models or good:
            break
        count = min(campaign.each_round, campaign.models - done)
        candidates = without(found.sample(CANDIDATES, rng), _genes(found, measured))
        if not len(candidates):
            log(f"no architecture of {space} is left to measure")
            break
        genes = next_batch(fitted, candidates, count, rng=rng)
        purposes = ["fit"] * count
        number += 1
    fitted, quality = choose(
        fitted,
        quality,
        lambda lines: judge(
            predictor.with_lines(fitted, lines),
            _genes(found, held_out),
            _metrics(held_out),
            again=again,
        ),
        log,
    )
    return measured, fitted, quality


def choose(
    fitted: Predictor,
    quality: pd.DataFrame,
    judge_lines: Callable[[list[str]], pd.DataFrame],
    log: Log,
) -> tuple[Predictor, pd.DataFrame]:
    """Return a predictor that only counts FLOPs where that is as good, and what is known of it.

    ``quality`` is of :func:`judge`; ``judge_lines`` judges with lines for some metrics.
    """
    good = _flops_are_as_good(quality)
    if good:
        log(
            f"counting FLOPs predicts {' and '.join(good)} as well on held-out models: the "
            "Gaussian process is dropped for a straight line through FLOPs"
        )
        fitted, quality = predictor.with_lines(fitted, good), judge_lines(good)
    kinds = [LINE if metric in fitted.lines else PROCESS for metric in quality["metric"]]
    return fitted, quality.assign(predictor=kinds)


def _flops_are_as_good(quality: pd.DataFrame) -> list[str]:
    """Return the metrics that a straight line through FLOPs predicts as well on held-out models."""
    ranks = quality["flops_spearman_rho"] >= quality["spearman_rho"] - 0.005
    errors = quality["flops_median_relative_error"] <= 1.05 * quality["median_relative_error"]
    enough = quality["held_out"] >= MODELS_RANKED
    return quality.loc[ranks & errors & enough, "metric"].tolist()


def _initial_design(space: Space, count: int, rng: np.random.Generator) -> np.ndarray:
    ends = different(np.array([space.largest, space.smallest]))
    drawn = without(space.sample(count + len(ends), rng), ends)
    return np.concatenate([ends, drawn])[:count]


def _genes(space: Space, table: pd.DataFrame) -> np.ndarray:
    found = [space.from_text(arch) for arch in table["arch"]]
    return np.array(found, dtype=np.int64).reshape(-1, len(space.choices))


def _metrics(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy(np.float64) for name in METRICS if name in table}


def _fitted(space: Space, table: pd.DataFrame, network: Network | None) -> Predictor:
    runs = table["feasible"].to_numpy(dtype=bool)
    if runs.sum() < LEAST:
        reasons = "; ".join(sorted({str(r) for r in table.get("reason", []) if str(r)})[:3])
        raise InputError(
            f"the device can run {runs.sum()} of {len(table)} architectures of {space.name}; "
            f"a predictor needs {LEAST} at least{f' ({reasons})' if reasons else ''}"
        )
    source = "; ".join(sorted(set(table.loc[runs, "source"])))
    genes = _genes(space, table)
    return predictor.fit(space.name, genes, _metrics(table), source=source, network=network)


def _difference_again(table: pd.DataFrame) -> dict[str, float]:
    """Return by what fraction the latency differed when models were measured twice."""
    if "again_latency_ms" not in table:
        return {}
    one, other = table["latency_ms"], table["again_latency_ms"]
    known = (np.abs(one - other) / ((one + other) / 2)).dropna()
    return {"latency_ms": float(np.median(known))} if len(known) else {}


def _described(quality: pd.DataFrame, fitted: int, models: int) -> str:
    rows: list[Any] = [row for row in quality.itertuples() if row.held_out]
    said = [
        f"{row.metric} off by {row.median_relative_error:.1%} in the median, Spearman "
        f"{row.spearman_rho:.3f} (FLOPs {row.flops_spearman_rho:.3f})"
        for row in rows
    ]
    judged = f"; on {quality['held_out'].max()} held-out ones: {'; '.join(said)}" if said else ""
    return f"fitted to {fitted} of {models} models{judged}"


# ---- how good predictions are -------------------------------------------------------------


def judge(
    predictor: Predictor,
    genes: np.ndarray,
    measured: Mapping[str, np.ndarray],
    *,
    again: Mapping[str, float],
) -> pd.DataFrame:
    """Compare predictions with what was ``measured`` of held-out architectures, int (N, G).

    For each metric of the predictor that is float64 (N,), NaN where the device cannot run one.
    ``again`` says for a metric by what fraction its values differed when models were measured
    twice, in the median: no prediction can be better.

    Returns a row a metric: ``fitted``, ``held_out`` (how many models of each), ranks and relative
    errors (fractions), the share of held-out models within one and two predicted deviations (0.68
    and 0.95, if those are right), the same of the straight line through FLOPs and metric of the
    fitted models, and ``again_median_relative_difference``. NaN where too little is known.
    """
    predicted, rows = predictor.predict(genes), []
    flops = predictor.features.multiply_accumulates(genes)
    flops_fitted = predictor.features.multiply_accumulates(predictor.genes)
    for metric in predictor.metrics:
        known, of_fitted = np.isfinite(measured[metric]), predictor.values[metric]
        true, fitted = measured[metric][known], np.isfinite(of_fitted)
        expected = predicted[metric].to_numpy()[known]
        off = np.abs(true - expected)
        deviation = predicted[f"{metric}_deviation"].to_numpy()[known]
        line = np.polynomial.Polynomial.fit(flops_fitted[fitted], of_fitted[fitted], 1)
        rows.append(
            {
                "metric": metric,
                "fitted": int(fitted.sum()),
                "held_out": int(known.sum()),
                **_compared("", expected, true, ranked_by=expected),
                "within_one_deviation": np.mean(off <= deviation) if len(off) else np.nan,
                "within_two_deviations": np.mean(off <= 2 * deviation) if len(off) else np.nan,
                **_compared("flops_", line(flops[known]), true, ranked_by=flops[known]),
                "again_median_relative_difference": again.get(metric, np.nan),
            }
        )
    return pd.DataFrame(rows)


def _compared(
    prefix: str, expected: np.ndarray, true: np.ndarray, *, ranked_by: np.ndarray
) -> dict[str, float]:
    """Return ranks and relative errors; NaN where there are too few values."""
    errors, some, enough = np.abs(expected / true - 1), len(true) > 0, len(true) > 1
    return {
        f"{prefix}spearman_rho": spearman_rho(ranked_by, true) if enough else np.nan,
        f"{prefix}kendall_tau": kendall_tau(ranked_by, true) if enough else np.nan,
        f"{prefix}median_relative_error": float(np.median(errors)) if some else np.nan,
        f"{prefix}p90_relative_error": float(np.quantile(errors, 0.9)) if some else np.nan,
    }


# ---- what to measure next -----------------------------------------------------------------


def next_batch(
    predictor: Predictor, candidates: np.ndarray, count: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Return which candidates, int (P, G), to measure next, int64 (count, G), or all of them.

    All metrics count alike, each by the part of its variance that is taken away. What the device
    probably cannot run counts less, by that probability.
    """
    judges = plugins.space(predictor.features.space).sample(JUDGES, rng)
    at, over = map(predictor.features.groups, (candidates, judges))
    runs = predictor.feasible_probability(at)
    beliefs = []
    for found in (predictor.regressions[metric] for metric in predictor.metrics):
        _, deviation = found.predict(over)
        unknown = float(np.square(deviation).sum() - len(judges) * found.noise)
        covariances = found.covariance(at, at), found.covariance(at, over)
        beliefs.append(_Belief(*covariances, found.noise, max(unknown, found.noise)))
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = runs * sum(belief.gains() for belief in beliefs)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        for belief in beliefs:
            belief.measure(chosen[-1])
    return candidates[chosen]


@dataclass
class _Belief:
    """What will be known about a metric once the chosen candidates are measured."""

    among: np.ndarray  # covariance (P, P)
    to_judges: np.ndarray  # covariance (P, J)
    noise: float
    unknown: float

    def gains(self) -> np.ndarray:
        """Return which part of the judges' variance each candidate takes away, float64 (P,)."""
        explained = np.square(self.to_judges).sum(axis=1)
        return explained / (np.diag(self.among) + self.noise) / self.unknown

    def measure(self, candidate: int) -> None:
        column = self.among[:, candidate] / (self.among[candidate, candidate] + self.noise)
        self.to_judges = self.to_judges - np.outer(column, self.to_judges[candidate])
        self.among = self.among - np.outer(column, self.among[candidate])


def without(genes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the different rows of ``genes`` that are not among ``taken``, in their order."""
    seen = set(map(tuple, taken.tolist()))
    genes = different(genes)
    return genes[[tuple(row) not in seen for row in genes.tolist()]]
