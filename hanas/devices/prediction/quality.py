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
    """Compare predictions with measurements.

    Parameters
    ----------
    predictor
        Fitted to other models.
    genes
        int (N, G): the held-out architectures.
    measured
        What was measured of them for each metric of the predictor, float64 (N,); NaN where the
        device cannot run one.
    flops_fitted, flops
        Multiply-accumulates of the models that the predictor was fitted to, in its order, and of
        the held-out ones.
    again
        For a metric by what fraction its values differed when models were measured twice, in the
        median: no prediction can be better.

    Returns
    -------
    DataFrame
        A row a metric: ``fitted``, ``held_out`` (how many models of each), ranks and relative
        errors (fractions), the share of held-out models within one and two predicted deviations
        (0.68 and 0.95, if those are right), the same of the straight line through FLOPs and
        metric of the fitted models, and ``again_median_relative_difference``. NaN where too few
        models were held out, or nothing is known.
    """
    predicted = predictor.predict(genes)
    rows = []
    for metric in predictor.metrics:
        true = np.asarray(measured[metric], dtype=np.float64)
        known, fitted = np.isfinite(true), np.isfinite(predictor.values[metric])
        expected = predicted[metric].to_numpy()[known]
        off = np.abs(true[known] - expected)
        deviation = predicted[f"{metric}_deviation"].to_numpy()[known]
        line = np.polynomial.Polynomial.fit(
            flops_fitted[fitted], predictor.values[metric][fitted], 1
        )
        rows.append(
            {
                "metric": metric,
                "fitted": int(fitted.sum()),
                "held_out": int(known.sum()),
                **_ranks("", expected, true[known]),
                **_errors("", expected, true[known]),
                "within_one_deviation": float(np.mean(off <= deviation)) if len(off) else np.nan,
                "within_two_deviations": (
                    float(np.mean(off <= 2 * deviation)) if len(off) else np.nan
                ),
                **_ranks("flops_", flops[known], true[known]),
                **_errors("flops_", line(flops[known]), true[known]),
                "again_median_relative_difference": (again or {}).get(metric, np.nan),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ranks(prefix: str, expected: np.ndarray, true: np.ndarray) -> dict[str, float]:
    enough = len(true) > 1
    return {
        f"{prefix}spearman_rho": spearman_rho(expected, true) if enough else np.nan,
        f"{prefix}kendall_tau": kendall_tau(expected, true) if enough else np.nan,
    }


def _errors(prefix: str, expected: np.ndarray, true: np.ndarray) -> dict[str, float]:
    errors = np.abs(expected / true - 1)
    return {
        f"{prefix}median_relative_error": float(np.median(errors)) if len(true) else np.nan,
        f"{prefix}p90_relative_error": float(np.quantile(errors, 0.9)) if len(true) else np.nan,
    }
