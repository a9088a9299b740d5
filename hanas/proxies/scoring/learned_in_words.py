"""Say what a learned model of accuracy cost, how well it expects, and what more would bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanas.core.progress import duration


def cost(facts: Mapping[str, Any]) -> str:
    """Return how many architectures were trained or looked up, epochs and time where known.

    >>> cost({"trained_architectures": 20, "training_epochs": 15, "training_minutes": 84.0})
    '20 networks, 15 epochs each, 1 h 24 min in all'
    >>> cost({"trained_architectures": 20})
    '20 networks'
    """
    said = f"{facts['trained_architectures']} networks" if "trained_architectures" in facts else ""
    if "training_minutes" in facts:
        whole = duration(60 * facts["training_minutes"])
        said += f", {facts['training_epochs']} epochs each, {whole} in all"
    return said


def leave_one_out(facts: Mapping[str, Any]) -> str:
    """Return how well each is expected from all others; empty where nothing is known.

    >>> leave_one_out({"loo_spearman": 0.914, "loo_error_points": 0.8})
    'off by 0.80 percentage points, Spearman 0.91'
    """
    rho, points = facts.get("loo_spearman"), facts.get("loo_error_points")
    error = None if points is None else f"off by {points:.2f} percentage points"
    ranks = None if rho is None else f"Spearman {rho:.2f}"
    return ", ".join(filter(None, (error, ranks)))


def gain(facts: Mapping[str, Any]) -> str:
    """Return what more architectures are expected to bring; empty where that is not known.

    >>> gain({"more_architectures": 20, "expected_tau": 0.8, "expected_tau_with_more": 0.83})
    '20 more are expected to put right 15 % of the pairs of networks that are in the wrong order'
    """
    if "expected_tau" not in facts:
        return ""
    wrong, later = (1 - facts[name] for name in ("expected_tau", "expected_tau_with_more"))
    return (
        f"{facts['more_architectures']} more are expected to put right {1 - later / wrong:.0%} "
        "of the pairs of networks that are in the wrong order"
    ).replace("%", " %")
