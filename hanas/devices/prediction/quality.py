"""How well a predictor does on models that were measured only to judge it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.devices.prediction.predictor import Predictor

COLUMNS = (
    *("metric", "fitted", "held_out", "spearman_rho", "kendall_tau", "median_relative_error"),
    *("p90_relative_error", "within_one_deviation", "within_two_deviations"),
    *("flops_spearman_rho", "flops_kendall_tau", "flops_median_relative_error"),
    *("flops_p90_relative_error", "again_median_relative_difference"),
)


def judge(
    predictor: Predictor,
    genes: np.ndarray,
    measured: Mapping[str, np.ndarray],
    *,
    flops_fitted: np.ndarray,
    flops: np.ndarray,
    again: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Compare predictions with what was ``measured`` of held-out architectures, int (N, G).

    For each metric of the predictor that is float64 (N,), NaN where the device cannot run one.
    ``flops_fitted`` and ``flops`` are the multiply-accumulates of the models that the predictor was
    fitted to, in its order, and of the held-out ones. ``again`` says for a metric by what fraction
    its values differed when models were measured twice, in the median: no prediction can be better.

    Returns a row a metric: ``fitted``, ``held_out`` (how many models of each), ranks and relative
    errors (fractions), the share of held-out models within one and two predicted deviations (0.68
    and 0.95, if those are right), the same of the straight line through FLOPs and metric of the
    fitted models, and ``again_median_relative_difference``. NaN where too few models were held out,
    or nothing is known.
    """
    predicted = predictor.predict(genes)
    rows = []
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
                "within_one_deviation": _share(off, deviation),
                "within_two_deviations": _share(off, 2 * deviation),
                "again_median_relative_difference": (again or {}).get(metric, np.nan),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _share(off: np.ndarray, limit: np.ndarray) -> float:
    return float(np.mean(off <= limit)) if len(limit) else np.nan


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
