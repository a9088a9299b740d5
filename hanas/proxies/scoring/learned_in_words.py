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

    >>> gain({"more_architectures": 20, "expected_tau": 0.81, "expected_tau_with_more": 0.838})
    "20 more are expected to add .03 to Kendall's tau (the model believes in .81 now)"
    """
    if "expected_tau" not in facts:
        return ""
    now = facts["expected_tau"]
    added = f"{facts['expected_tau_with_more'] - now:.2f}".replace("0.", ".", 1)
    believed = f"{now:.2f}".replace("0.", ".", 1)
    return (
        f"{facts['more_architectures']} more are expected to add {added} to Kendall's tau (the "
        f"model believes in {believed} now)"
    )
