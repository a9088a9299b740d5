"""What a device says of one model, and how it says that it could not measure it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class BoardLost(Exception):  # noqa: N818 - says what happened
    """A board gave no measurement: it may have vanished, or the model may be at fault.

    The model is then measured on another board, or later. ``for_good``: asking the board again is
    of no use, because its tool is not there.
    """

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


class ModelRefused(Exception):  # noqa: N818 - says what happened
    """The device says that it cannot run the model, which is therefore infeasible on it."""


@dataclass(frozen=True, eq=False)
class Timings:
    """Passes of one model on one board; ValueError for a number that is not finite and above 0.

    Parameters
    ----------
    latencies_ms
        float64 (P,), milliseconds of each pass of a whole batch; P is 1 where the device gives
        nothing but a mean.
    energy_mj
        Millijoules of a pass, where the device tells it.
    estimate
        Whether the numbers were computed rather than measured.
    runtime
        What ran the model, with its version, where only the device knows it.

    Examples
    --------
    >>> Timings(np.array([2.0, float("nan")]))
    Traceback (most recent call last):
    ValueError: latency 2 of 2 is nan ms; expected a finite number above 0
    """

    latencies_ms: np.ndarray
    energy_mj: float | None = None
    estimate: bool = False
    runtime: str | None = None

    def __post_init__(self) -> None:
        latencies, energy = self.latencies_ms, self.energy_mj
        if latencies.ndim != 1 or not len(latencies):
            raise ValueError("there is no latency; expected at least one number of milliseconds")
        wrong = np.flatnonzero(~(np.isfinite(latencies) & (latencies > 0)))
        if len(wrong):
            raise ValueError(
                f"latency {wrong[0] + 1} of {len(latencies)} is {latencies[wrong[0]]:g} ms; "
                "expected a finite number above 0"
            )
        if energy is not None and not (np.isfinite(energy) and energy > 0):
            raise ValueError(f"the energy is {energy:g} mJ; expected a finite number above 0")
