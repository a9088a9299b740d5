"""Predict latency and energy of all architectures from a few that were measured.

A Gaussian process for each metric, on what :mod:`hanas.devices.prediction.features` says of an
architecture. A device needs its time for one operation after the other, so metrics are predicted as
they are and not their logarithms, which was measured to be better at every number of measurements;
only close to zero are they bent, so that no prediction is below it.

That, the features and the expected parameters were chosen on HW-NAS-Bench's CIFAR-100 tables of
edgegpu, pixel3 and eyeriss; ``benchmarks/few_measurements.py`` judges them on others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from hanas.core import files, gaussian_process, plugins
from hanas.core.errors import InputError
from hanas.core.gaussian_process import Regression
from hanas.data.tables.metric_tables import METRICS, device_table
from hanas.devices.prediction.features import Features
from hanas.spaces._space import Network

FORMAT = 1
#: Measured architectures of a metric that are needed at least.
LEAST = 3
#: An architecture that the device is more likely not to run is no candidate.
LEAST_PROBABILITY = 0.5
#: Where metrics are bent towards zero: at this part of the median.
_KNEE = 1 / 30
#: Smaller than any metric, above 0.
_TINY = float(np.finfo(np.float64).tiny)
#: What predicts a metric.
PROCESS, LINE = "Gaussian process", "straight line through FLOPs"
#: Marks architectures that the device does not run.
_REFUSED = -1.0


@dataclass(frozen=True)
class Predictor:
    """What predicts the metrics of a device from those measured of ``genes``, int64 (n, G).

    ``values`` are what was measured for each metric, float64 (n,), NaN where it was not;
    ``parameters`` are those of the regression of each metric and, under ``feasible``, of whether
    the device can run an architecture, where it could not run some. Metrics among ``lines`` are
    predicted from multiply-accumulates alone: intercept, slope and deviation, float64 (3,), of
    bent metrics.
    """

    features: Features
    source: str
    genes: np.ndarray
    values: Mapping[str, np.ndarray]
    parameters: Mapping[str, np.ndarray]
    lines: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that are predicted."""
        return tuple(metric for metric in METRICS if metric in self.values)

    @cached_property
    def regressions(self) -> dict[str, Regression]:
        """The regression of each metric, bent as :func:`_bent` says, and of ``feasible``."""
        seen = _seen(self.features.groups(self.genes), self.values)
        return {name: Regression(*seen[name], found) for name, found in self.parameters.items()}

    def predict(self, genes: np.ndarray) -> pd.DataFrame:
        """Return what measuring architectures, int (N, G), is expected to give.

        For each metric a column of its name, above 0, and ``{metric}_deviation``: half of the width
        of the interval in which a measurement lies with a probability of 68.3 %, in the same unit.
        ``feasible_probability``, that the device can run an architecture, where it could not run
        some of those that were measured. InputError if the genes are not of the space.
        """
        genes = self.features.checked(genes)
        points = self.features.groups(genes)
        columns = {}
        for metric in self.metrics:
            if metric in self.lines:
                intercept, slope, deviation = self.lines[metric]
                mean = intercept + slope * self.features.multiply_accumulates(genes)
            else:
                mean, deviation = self.regressions[metric].predict(points)
            knee = _knee(self.values[metric])
            columns[metric] = _straight(mean, knee)
            upper, lower = _straight(mean + deviation, knee), _straight(mean - deviation, knee)
            columns[f"{metric}_deviation"] = np.maximum((upper - lower) / 2, _TINY)
        if "feasible" in self.regressions:
            columns["feasible_probability"] = self.feasible_probability(points)
        return pd.DataFrame(columns)

    def covariance(self, metric: str, genes: np.ndarray) -> np.ndarray:
        """Return the covariance of what is known about a metric of architectures, int (N, G).

        float64 (N, N), without the noise of a measurement, so that it is that of what sums and
        differences of architectures are expected to be. Of a straight line, that of the line.
        """
        genes = self.features.checked(genes)
        knee, points = _knee(self.values[metric]), self.features.groups(genes)
        if metric in self.lines:
            intercept, slope, deviation = self.lines[metric]
            flops = self.features.multiply_accumulates(genes)
            seen = self.genes[np.isfinite(self.values[metric])]
            fitted, line = (
                np.column_stack([np.ones(len(each)), each])
                for each in (self.features.multiply_accumulates(seen), flops)
            )
            mean, reach = intercept + slope * flops, line @ np.linalg.pinv(fitted)
            found = deviation**2 * reach @ reach.T
        else:
            mean = self.regressions[metric].predict(points)[0]
            found = self.regressions[metric].covariance(points, points)
        slopes = 1 / (1 + np.exp(-mean / knee))  # of _straight
        return found * slopes[:, None] * slopes

    def feasible_probability(self, points: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the probability that the device can run what has these features, float64 (N,).

        The least-squares classification of Rasmussen and Williams, section 6.5.
        """
        if "feasible" not in self.regressions:
            return np.ones(len(points[0]))
        mean, deviation = self.regressions["feasible"].predict(points)
        return ndtr(mean / deviation)


def likely_runs(predicted: pd.DataFrame) -> np.ndarray:
    """Return what the device more likely runs than not, bool (N,), of :meth:`Predictor.predict`."""
    if "feasible_probability" not in predicted:  # it refused none of the measured models
        return np.ones(len(predicted), dtype=bool)
    return predicted["feasible_probability"].to_numpy() >= LEAST_PROBABILITY


def table(predictor: Predictor) -> pd.DataFrame:
    """Return the predicted metrics of every architecture of a space, as ``device_table`` does.

    Also of those that were measured: a search that compared measured with predicted numbers would
    prefer what one of the two makes too good. Infeasible is what the device more likely refuses
    than not, and what nothing can run. ``{metric}_deviation`` is one standard deviation of what is
    known about a metric.
    """
    space = plugins.enumerable_space(predictor.features.space, "the table of a device")
    archs, genes = space.all_texts(), space.all_genes()
    predicted = predictor.predict(genes)
    runs = likely_runs(predicted) & space.connected(genes)
    found = device_table(
        archs,
        {name: predicted[name].where(runs, _REFUSED).to_numpy() for name in predictor.metrics},
        source=predictor.source,
        place=lambda number, metric: f"prediction of {metric} of {archs[number]}",
        infeasible=_REFUSED,
    )
    for name in predictor.metrics:
        found[f"{name}_deviation"] = predicted[f"{name}_deviation"].where(runs).to_numpy()
    return found


def fit(
    space: str,
    genes: np.ndarray,
    metrics: Mapping[str, np.ndarray],
    *,
    source: str,
    network: Network | None = None,
) -> Predictor:
    """Fit a predictor to measured architectures, int (n, G), whose order does not matter.

    ``metrics`` are float64 (n,), above 0, NaN where an architecture was not measured. All NaN: the
    device cannot run it. ``source`` is where they are from, ``measured: ...`` or ``estimate: ...``;
    ``network`` are settings filled in by the space's ``for_images``, None the defaults. InputError
    if a number cannot be, a metric has fewer than three, or genes are not of the space.
    """
    features = Features.of(space, network)
    genes = features.checked(genes)
    values = _checked(metrics, len(genes))
    order = np.lexsort((*values.values(), *genes.T[::-1]))
    genes, values = genes[order], {name: column[order] for name, column in values.items()}
    seen = _seen(features.groups(genes), values)
    parameters = {name: gaussian_process.parameters(*shown) for name, shown in seen.items()}
    kind, _, where = source.partition(": ")
    how = "estimated" if kind == "estimate" else "measured"
    where = where if kind in ("measured", "estimate") else source
    described = f"predicted: {PROCESS} fitted to {len(genes)} {how} models ({where})"
    return Predictor(features, described, genes, values, parameters)


def with_lines(predictor: Predictor, metrics: Sequence[str]) -> Predictor:
    """Return a predictor that sees only the multiply-accumulates where it predicts some metrics.

    A line through bent metrics, by least squares of relative errors: a device's deviations grow
    with what it takes.
    """
    flops, lines = predictor.features.multiply_accumulates(predictor.genes), {}
    for metric in metrics:
        values = predictor.values[metric]
        known = np.isfinite(values)
        bent = _bent(values[known], _knee(values))
        slope, intercept = np.polyfit(flops[known], bent, 1, w=1 / values[known])
        off = bent - intercept - slope * flops[known]
        deviation = np.sqrt(np.square(off).sum() / max(1, len(off) - 2))
        lines[metric] = np.array([intercept, slope, deviation])
    kinds = [LINE if metric in lines else PROCESS for metric in predictor.metrics]
    said = ", ".join(dict.fromkeys(kinds))
    return replace(predictor, lines=lines, source=predictor.source.replace(PROCESS, said, 1))


def save(predictor: Predictor, path: str | Path) -> None:
    """Write a predictor; equal ones give equal bytes."""
    header: dict[str, Any] = {
        "format": FORMAT,
        "space": predictor.features.space,
        "network": json.loads(predictor.features.network),
        "source": predictor.source,
        "metrics": list(predictor.metrics),
    }
    arrays = {"genes": predictor.genes}
    arrays |= {f"values/{name}": predictor.values[name] for name in predictor.metrics}
    arrays |= {f"parameters/{name}": array for name, array in predictor.parameters.items()}
    arrays |= {f"lines/{name}": array for name, array in predictor.lines.items()}
    files.write_npz(path, {**header, "sha256": _sha256(header, arrays)}, arrays)


def load(path: str | Path) -> Predictor:
    """Read a predictor; InputError if it is missing, damaged, changed or of another format."""
    path, hint = Path(path), "; fit it again"
    header, arrays = files.read_npz(path, what="predictors", hint=hint)
    with files.reading(path, "predictors", hint):
        version, expected = header["format"], header.pop("sha256")
        if version != FORMAT:
            raise InputError(f"{path}: format {version}; this version of hanas reads {FORMAT}")
        if _sha256(header, arrays) != expected:
            raise InputError(f"{path}: not what was written; the file is damaged{hint}")
        features, genes = Features.of(header["space"], header["network"]), arrays.pop("genes")
        found: dict[str, dict[str, np.ndarray]] = {"values": {}, "parameters": {}, "lines": {}}
        for key, array in arrays.items():
            kind, name = key.split("/")
            found[kind][name] = array
        return Predictor(features, header["source"], genes, **found)


def _sha256(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        total.update(arrays[name].tobytes())
    return total.hexdigest()


def _checked(metrics: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    if not metrics or not set(metrics) <= set(METRICS):
        raise InputError(f"metrics {list(metrics)}; expected some of: {', '.join(METRICS)}")
    values = {name: np.asarray(metrics[name], np.float64) for name in METRICS if name in metrics}
    for name, column in values.items():
        if column.shape != (count,):
            raise InputError(f"{name} of shape {column.shape}; expected ({count},), one a model")
        wrong = np.flatnonzero(~np.isnan(column) & ~(np.isfinite(column) & (column > 0)))
        if len(wrong):
            value = f"{name} of model {wrong[0] + 1} is {column[wrong[0]]:g}"
            raise InputError(f"{value}; expected a finite number above 0")
        known = f"{name} is known of {np.isfinite(column).sum()} of {count} measured models"
        if np.isfinite(column).sum() < LEAST:
            raise InputError(f"{known}; a prediction needs {LEAST} at least: measure more")
    return values


def _seen(
    groups: Sequence[np.ndarray], values: Mapping[str, np.ndarray]
) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """Return the points and values that regressions learn from.

    Values are bent metrics, and 1 and -1 for feasible and not where some are not.
    """
    targets = {name: _bent(column, _knee(column)) for name, column in values.items()}
    runs = np.isfinite(np.stack(list(values.values()))).any(axis=0)
    if not runs.all():
        targets["feasible"] = np.where(runs, 1.0, -1.0)
    known = {name: np.isfinite(column) for name, column in targets.items()}
    return {
        name: ([group[known[name]] for group in groups], column[known[name]])
        for name, column in targets.items()
    }


def _knee(values: np.ndarray) -> float:
    return _KNEE * float(np.nanmedian(values))


def _bent(values: np.ndarray, knee: float) -> np.ndarray:
    """Return metrics, bent so that 0 is infinitely far away; far above the knee nothing changes."""
    return values + knee * np.log(-np.expm1(-values / knee))


def _straight(values: np.ndarray, knee: float) -> np.ndarray:
    """Return the metrics that are bent to ``values``, above 0."""
    return np.maximum(knee * np.logaddexp(0, values / knee), _TINY)
