"""What is known of the latency of one model, whether it can be trusted, and its row of a table.

All measurements of a model are kept as they are; which of them counts follows from them and the
settings, so that other settings judge the same facts anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hanas.devices._device import Measuring, Timings

#: Of a table of measurements. ``reason`` says why a model is not feasible, ``latency_ms`` is the
#: statistic asked for, ``passes`` are 1 where the device gives only a mean, ``repeats`` are the
#: measurements made, ``again_`` those of the A/A check. Numbers are NaN where there are none.
COLUMNS = (
    *("arch", "feasible", "reason", "latency_ms", "latency_mean_ms", "latency_median_ms"),
    *("latency_q25_ms", "latency_q75_ms", "passes", "batch", "threads", "precision", "runtime"),
    *("board", "repeats", "stable", "again_latency_ms", "again_board", "energy_mj", "source"),
)


@dataclass(frozen=True)
class Measurement:
    """One measurement of one model, in milliseconds and millijoules."""

    board: str
    runtime: str
    passes: int
    mean_ms: float
    median_ms: float
    q25_ms: float
    q75_ms: float
    energy_mj: float | None
    estimate: bool

    @staticmethod
    def of(timings: Timings, *, board: str, runtime: str) -> Measurement:
        """Return the measurement that sums up some passes."""
        latencies = timings.latencies_ms
        q25, median, q75 = (float(q) for q in np.quantile(latencies, [0.25, 0.5, 0.75]))
        numbers = len(latencies), float(latencies.mean()), median, q25, q75
        told = timings.energy_mj, timings.estimate
        return Measurement(board, timings.runtime or runtime, *numbers, *told)

    def latency_ms(self, settings: Measuring) -> float:
        """Return the mean or the median, as the settings say."""
        return self.mean_ms if settings.statistic == "mean" else self.median_ms

    def spread(self, settings: Measuring) -> float:
        """Return how uncertain the statistic is, as a fraction of the median; 0 of one number.

        The larger of the interquartile range and of the distance between the statistic and the
        median: a few slow passes move a mean and leave the quartiles where they are.
        """
        off = abs(self.latency_ms(settings) - self.median_ms)
        return max(self.q75_ms - self.q25_ms, off) / self.median_ms

    def is_stable(self, settings: Measuring) -> bool:
        """Return whether the spread is within the limit."""
        return self.spread(settings) <= settings.spread_limit


@dataclass(frozen=True)
class Record:
    """What is known of a model: measurements made one after the other until one was stable.

    ``again`` are those of the A/A check, made later; ``refused`` says why it is infeasible.
    """

    first: tuple[Measurement, ...] = ()
    again: tuple[Measurement, ...] = ()
    refused: str | None = None

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Record:
        """Return a record that was written as plain values."""
        times = {name: tuple(Measurement(**m) for m in plain[name]) for name in ("first", "again")}
        return Record(**times, refused=plain["refused"])

    def is_measured(self, settings: Measuring) -> bool:
        """Return whether a measurement is stable, or there were enough of them."""
        enough = self.refused is not None or len(self.first) >= settings.repeats
        return enough or any(m.is_stable(settings) for m in self.first)

    def is_checked(self, settings: Measuring) -> bool:
        """Return whether the A/A check agrees, cannot agree, or has been tried often enough."""
        hopeless = bool(self.again) and not any(m.is_stable(settings) for m in self.first)
        return hopeless or len(self.again) >= settings.repeats or bool(self._agreeing(settings))

    def judged(self, settings: Measuring) -> tuple[Measurement, bool]:
        """Return the calmest measurement that can be trusted, and whether it is stable.

        With an A/A check, a stable measurement needs another one of the other time that differs by
        no more than the limit.
        """
        agreeing = self._agreeing(settings)
        calmest = _calmest(agreeing or (*self.first, *self.again), settings)
        return calmest, (not self.again or bool(agreeing)) and calmest.is_stable(settings)

    def difference(self, settings: Measuring) -> float:
        """Return by what fraction the first measurement and that of the A/A check differ."""
        return _difference(_calmest(self.first, settings), _calmest(self.again, settings), settings)

    def _agreeing(self, settings: Measuring) -> list[Measurement]:
        first, again = ([m for m in ms if m.is_stable(settings)] for ms in (self.first, self.again))
        return [
            measurement
            for pair in itertools.product(first, again)
            if _difference(*pair, settings) <= settings.spread_limit
            for measurement in pair
        ]

    def row(
        self, arch: str, conditions: Mapping[str, Any], board: str, settings: Measuring
    ) -> dict[str, Any]:
        """Return what the table says of the model, measured under a board's conditions."""
        row: dict[str, Any] = dict.fromkeys(COLUMNS, float("nan"))
        row |= {name: conditions[name] for name in ("batch", "threads", "precision", "runtime")}
        row |= {"arch": arch, "feasible": self.refused is None, "reason": self.refused or ""}
        row |= {"passes": 0, "stable": False, "again_board": "", "board": board}
        row["repeats"] = len(self.first) + len(self.again)
        estimate, passes = False, conditions.get("passes")
        if self.refused is None:
            counts, row["stable"] = self.judged(settings)
            row["latency_ms"] = counts.latency_ms(settings)
            of_passes = ("mean_ms", "median_ms", "q25_ms", "q75_ms")
            row |= {f"latency_{name}": getattr(counts, name) for name in of_passes}
            row |= {name: getattr(counts, name) for name in ("passes", "runtime", "board")}
            estimate, passes = counts.estimate, counts.passes if counts.passes > 1 else passes
            if counts.energy_mj is not None:
                row["energy_mj"] = counts.energy_mj
            if self.again:
                row["again_latency_ms"] = self.again[0].latency_ms(settings)
                row["again_board"] = self.again[0].board
        how = [row["runtime"], row["precision"], f"batch {row['batch']}", row["board"]]
        if not estimate:
            how.insert(1, f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}")
            if passes is not None:
                how.insert(-1, f"{settings.statistic} of {passes} passes")
        return row | {"source": f"{'estimate' if estimate else 'measured'}: {', '.join(how)}"}


def _calmest(made: Sequence[Measurement], settings: Measuring) -> Measurement:
    return min(made, key=lambda measurement: measurement.spread(settings))


def _difference(one: Measurement, other: Measurement, settings: Measuring) -> float:
    a, b = one.latency_ms(settings), other.latency_ms(settings)
    return abs(a - b) / ((a + b) / 2)
