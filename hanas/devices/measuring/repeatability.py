"""How well a device repeats itself: what the measurements of many models say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hanas.core.ranking import spearman_rho
from hanas.devices._device import MeasuredDevice
from hanas.devices.measuring.records import Record

#: Models that are needed to say how well halves of rounds rank them.
MODELS_RANKED = 5
#: Halves of rounds that agree less on the order of the models say nothing of it.
LEAST_CORRELATION = 0.5
#: Where more of the models do not repeat, those that do may do so by chance.
MOST_UNSTABLE = 0.5


@dataclass(frozen=True)
class Repeatability:
    """What is known of ``models`` that were measured and can be run; NaN where it is not known.

    ``rounds`` are those of most models (the median), 0 of passes in a row. ``split_half_`` compares
    every second round with the others: Spearman's correlation over the models, and the median of
    the relative differences. ``again_`` is of models that were measured twice in a row.
    ``unstable_share`` is a fraction of the models, each judged by itself.
    """

    models: int
    rounds: float
    split_half_spearman_rho: float
    split_half_median_relative_difference: float
    again_models: int
    again_median_relative_difference: float
    unstable_share: float
    #: Whether numbers repeat at all, so that a model may be called stable.
    well: bool
    #: What is wrong, where they do not.
    problem: str

    def in_words(self) -> str:
        """Return that in one line, for a log."""
        parts = [f"{self.unstable_share:.0%} of {self.models} models unstable"]
        if np.isfinite(self.split_half_median_relative_difference):
            halves = f"halves differ by {self.split_half_median_relative_difference:.1%}"
            parts.insert(0, f"{halves} in the median")
        if np.isfinite(self.split_half_spearman_rho):
            parts.insert(0, f"rank correlation of halves {self.split_half_spearman_rho:.3f}")
        return ", ".join(parts)


def repeatability(records: Sequence[Record], device: MeasuredDevice) -> Repeatability:
    """Return how well measurements repeat; those of models that cannot be run do not count."""
    made = [record for record in records if record.refused is None and record.made]
    if device.in_rounds:
        made = [record for record in made if record.rounds]
    judged = [record.judged(device) for record in made]
    limit, nan = device.measuring.spread_limit, float("nan")
    unstable = float(np.mean([not stable for *_, stable in judged])) if judged else nan
    rho = difference = twice_differ = nan
    rounds, twice = 0.0, []
    if device.in_rounds:
        rounds = float(np.median([len(record.rounds) for record in made])) if made else 0.0
        halves = np.array([found for record in made if (found := record.halves())])
        if len(halves):
            both = np.abs(halves[:, 0] - halves[:, 1]) / halves.mean(axis=1)
            difference = float(np.median(both))
        if len(halves) >= MODELS_RANKED:
            rho = float(spearman_rho(*halves.T))
    else:
        twice = [record for record in made if record.again]
        if twice:
            twice_differ = float(np.median([r.difference(device.measuring) for r in twice]))
    problem = ""
    # One number tells nothing of how well it repeats; an estimate always does.
    single = [counts.passes == 1 and not counts.estimate for counts, *_ in judged]
    if unstable > MOST_UNSTABLE:
        problem = f"{unstable:.0%} of the measurements differ by more than {limit:.0%}"
    elif rho < LEAST_CORRELATION:  # NaN, where all latencies are the same, is not
        problem = f"two halves of the rounds rank the models with a correlation of {rho:.2f} only"
    elif twice and np.mean(disagree := [not r.agrees(device.measuring) for r in twice]) > 0.5:
        problem = f"{sum(disagree)} of {len(twice)} models that were measured twice do not repeat"
    elif not device.in_rounds and not twice and any(single):
        problem = "there is one number of each model, and none was measured twice"
    return Repeatability(
        len(made), rounds, rho, difference, len(twice), twice_differ, unstable, not problem, problem
    )
