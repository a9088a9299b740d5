"""How well a surrogate predicts cells that it was not fitted to."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import kendalltau


def of_numbers(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the quality of predicted numbers, float64 (N,), above 0.

    ``cells_held_out``, ``median_relative_error``, ``worst_relative_error`` (fractions), ``r2``
    and ``kendall_tau``.

    >>> of_numbers(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.5, 4.0]))["worst_relative_error"]
    0.25
    """
    error = np.abs(predicted / true - 1)
    residual, spread = np.square(predicted - true).sum(), np.square(true - true.mean()).sum()
    return {
        "cells_held_out": len(true),
        "median_relative_error": float(np.median(error)),
        "worst_relative_error": float(error.max()),
        "r2": float(1 - residual / spread),
        "kendall_tau": tau(true, predicted),
    }


def of_the_best(true: np.ndarray, predicted: np.ndarray, *, best: float) -> dict[str, float]:
    """Return Kendall's tau among good cells only, which is what a search is about.

    Good is above 85 % of the best true accuracy in whole percent, which is 80 % on CIFAR-10.

    >>> percent = np.array([10.0, 81.0, 90.0, 94.0])
    >>> of_the_best(percent, np.array([50.0, 80.0, 91.0, 90.0]), best=94.37)["upper_from_percent"]
    80
    """
    upper_from = math.floor(0.85 * best)
    upper = true > upper_from
    found = tau(true[upper], predicted[upper])
    return {"upper_from_percent": upper_from, "kendall_tau_upper": found}


def of_failures(fails: np.ndarray, said_to_fail: np.ndarray) -> dict[str, float]:
    """Return the quality of predictions of which cells fail, bool (N,) both.

    >>> of_failures(np.array([True, True, False]), np.array([True, False, False]))["recall"]
    0.5
    """
    found = int((fails & said_to_fail).sum())
    return {
        "cells_held_out": len(fails),
        "predicted_right": float((fails == said_to_fail).mean()),
        "precision": found / max(1, int(said_to_fail.sum())),
        "recall": found / max(1, int(fails.sum())),
    }


def tau(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return Kendall's tau-b of two orders; values within a relative 1e-9 are ties.

    Exact models give ties that differ in the last bit, which are no disagreement.

    >>> round(tau(np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0 + 1e-12, 2.0])), 9)
    1.0
    """
    result = kendalltau(_ranks(predicted), _ranks(true))
    return float(result.statistic)  # type: ignore[attr-defined]


def _ranks(values: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    steps = np.diff(ordered) > 1e-9 * np.abs(ordered[1:])
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    return ranks
