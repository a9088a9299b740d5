"""What is known of the latency of one model, whether it can be trusted, and its row of a table.

All measurements of a model are kept as they are; which of them counts follows from them and the
settings, so that other settings judge the same facts anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hanas.devices._device import MeasuredDevice, Measuring, Timings

#: Of a table of measurements; milliseconds and millijoules of an image, a pass is of a batch.
#: ``reason`` says why a model is not feasible, ``latency_ms`` is the statistic asked for,
#: ``passes`` are 1 where the device gives only a mean, ``rounds`` 0 of passes in a row,
#: ``repeats`` the measurements made, ``spread`` says how uncertain the statistic is (a fraction),
#: ``again_`` are of the A/A check. Numbers are NaN where there are none.
COLUMNS = (
    *("arch", "feasible", "reason", "latency_ms", "latency_mean_ms", "latency_median_ms"),
    *("latency_q25_ms", "latency_q75_ms", "passes", "batch", "threads", "precision", "runtime"),
    *("board", "rounds", "repeats", "stable", "spread", "again_latency_ms", "again_board"),
    *("energy_mj", "source"),
)
#: The quantile that is the latency of a block of passes, and of the blocks of all rounds: other
#: work makes passes slow and never fast. ``benchmarks/rounds.py`` compares it with others.
LOW = 0.1


@dataclass(frozen=True)
class Measurement:
    """Passes of one model, milliseconds and millijoules of a pass, ended ``at`` (ISO 8601, UTC)."""

    board: str
    runtime: str
    passes: int
    mean_ms: float
    median_ms: float
    q25_ms: float
    q75_ms: float
    energy_mj: float | None
    estimate: bool
    low_ms: float = float("nan")
    at: str = ""

    @staticmethod
    def of(timings: Timings, *, board: str, runtime: str) -> Measurement:
        """Return the measurement that sums up some passes."""
        latencies = timings.latencies_ms
        low, *quartiles = (float(q) for q in np.quantile(latencies, [LOW, 0.25, 0.5, 0.75]))
        q25, median, q75 = quartiles
        numbers = len(latencies), float(latencies.mean()), median, q25, q75
        told, now = (timings.energy_mj, timings.estimate), time.strftime(TIME, time.gmtime())
        return Measurement(board, timings.runtime or runtime, *numbers, *told, low, now)

    @staticmethod
    def of_rounds(blocks: Sequence[Measurement]) -> Measurement:
        """Return what blocks of passes say together; quartiles are those of their medians."""
        passes, medians = [b.passes for b in blocks], [b.median_ms for b in blocks]
        mean = float(np.average([b.mean_ms for b in blocks], weights=passes))
        q25, median, q75 = (float(q) for q in np.quantile(medians, [0.25, 0.5, 0.75]))
        energies = [b.energy_mj for b in blocks if b.energy_mj is not None]
        energy, last = float(np.mean(energies)) if energies else None, blocks[-1]
        return replace(
            last,
            **{"passes": sum(passes), "mean_ms": mean, "median_ms": median},
            **{"q25_ms": q25, "q75_ms": q75, "energy_mj": energy, "low_ms": low_of(blocks)},
        )

    def latency_ms(self, settings: Measuring) -> float:
        """Return the statistic that the settings say, of a pass."""
        return getattr(self, _STATISTICS[settings.statistic])

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


TIME = "%Y-%m-%dT%H:%M:%SZ"
_STATISTICS = {"low_quantile": "low_ms", "mean": "mean_ms", "median": "median_ms"}


def low_of(blocks: Sequence[Measurement]) -> float:
    """Return the low quantile over blocks, milliseconds of a pass."""
    return float(np.quantile([block.low_ms for block in blocks], LOW))


@dataclass(frozen=True)
class Record:
    """What is known of a model: blocks of rounds, or measurements until one was stable.

    ``rounds`` are ended by the settings ``ended_by``, None while they go on. ``first`` are
    measurements of passes in a row, ``again`` those of the A/A check, made later; ``refused`` says
    why the model is infeasible.
    """

    first: tuple[Measurement, ...] = ()
    again: tuple[Measurement, ...] = ()
    rounds: tuple[Measurement, ...] = ()
    ended_by: tuple[float, ...] | None = None
    refused: str | None = None

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Record:
        """Return a record that was written as plain values."""
        times = {
            name: tuple(Measurement(**m) for m in plain.get(name, ()))
            for name in ("first", "again", "rounds")
        }
        ended_by = plain.get("ended_by")
        ended = None if ended_by is None else tuple(ended_by)
        return Record(**times, ended_by=ended, refused=plain["refused"])

    @property
    def made(self) -> tuple[Measurement, ...]:
        """All measurements."""
        return (*self.first, *self.again, *self.rounds)

    def is_measured(self, device: MeasuredDevice) -> bool:
        """Return whether a measurement is stable, or there were enough of them."""
        if self.refused is not None:
            return True
        settings = device.measuring
        if device.in_rounds:
            return self.ended_by == ending(settings)
        enough = len(self.first) >= settings.repeats
        return enough or any(m.is_stable(settings) for m in self.first)

    def is_checked(self, settings: Measuring) -> bool:
        """Return whether the A/A check agrees, cannot agree, or has been tried often enough."""
        hopeless = bool(self.again) and not any(m.is_stable(settings) for m in self.first)
        return hopeless or len(self.again) >= settings.repeats or bool(self._agreeing(settings))

    def judged(self, device: MeasuredDevice) -> tuple[Measurement, float, bool]:
        """Return what counts, how uncertain it is (a fraction), and whether it is stable by itself.

        In rounds, the spread is the difference between every second round and the others. In a row
        the calmest measurement counts; with an A/A check, a stable one needs another one of the
        other time that differs by no more than the limit.
        """
        settings = device.measuring
        if device.in_rounds:
            counts = Measurement.of_rounds(self.rounds)
            halves = self.halves()
            spread = relative_difference(*halves) if halves else float("inf")
            return counts, spread, spread <= settings.spread_limit
        agreeing = self._agreeing(settings)
        calmest = _calmest(agreeing or (*self.first, *self.again), settings)
        stable = (not self.again or bool(agreeing)) and calmest.is_stable(settings)
        return calmest, calmest.spread(settings), stable

    def halves(self) -> tuple[float, float] | None:
        """Return the latencies, ms, of every second round and of the others; None of one round."""
        if len(self.rounds) < 2:
            return None
        return low_of(self.rounds[::2]), low_of(self.rounds[1::2])

    def agrees(self, settings: Measuring) -> bool:
        """Return whether a stable measurement and one of the A/A check agree."""
        return bool(self._agreeing(settings))

    def difference(self, settings: Measuring) -> float:
        """Return by what fraction the first measurement and that of the A/A check differ."""
        one, other = (_calmest(made, settings) for made in (self.first, self.again))
        return relative_difference(one.latency_ms(settings), other.latency_ms(settings))

    def _agreeing(self, settings: Measuring) -> list[Measurement]:
        first, again = ([m for m in ms if m.is_stable(settings)] for ms in (self.first, self.again))
        return [
            measurement
            for pair in itertools.product(first, again)
            if relative_difference(*(m.latency_ms(settings) for m in pair)) <= settings.spread_limit
            for measurement in pair
        ]

    def row(
        self,
        arch: str,
        device: MeasuredDevice,
        conditions: Mapping[str, Any],
        board: str,
        *,
        repeats_well: bool,
    ) -> dict[str, Any]:
        """Return what the table says of the model, measured under a board's conditions.

        ``repeats_well`` says whether the device as a whole does; else no model is stable.
        """
        settings = device.measuring
        row: dict[str, Any] = dict.fromkeys(COLUMNS, float("nan"))
        row |= {name: conditions[name] for name in ("batch", "threads", "precision", "runtime")}
        if "format" in conditions:
            row["format"] = conditions["format"]
        row |= {"arch": arch, "feasible": self.refused is None, "reason": self.refused or ""}
        row |= {"passes": 0, "stable": False, "again_board": "", "board": board}
        row |= {"rounds": len(self.rounds) if device.in_rounds else 0}
        row["repeats"] = row["rounds"] or len(self.first) + len(self.again)
        estimate, passes, batch = False, conditions.get("passes"), conditions["batch"]
        if self.refused is None:
            counts, row["spread"], stable = self.judged(device)
            row["stable"] = stable and (repeats_well or counts.estimate)
            row["latency_ms"] = counts.latency_ms(settings) / batch
            of_passes = ("mean_ms", "median_ms", "q25_ms", "q75_ms")
            row |= {f"latency_{name}": getattr(counts, name) / batch for name in of_passes}
            row |= {name: getattr(counts, name) for name in ("passes", "runtime", "board")}
            estimate, passes = counts.estimate, counts.passes if counts.passes > 1 else passes
            if counts.energy_mj is not None:
                row["energy_mj"] = counts.energy_mj / batch
            if self.again and not device.in_rounds:
                row["again_latency_ms"] = self.again[0].latency_ms(settings) / batch
                row["again_board"] = self.again[0].board
        of_batch = f"batch {batch}" if batch == 1 else f"per image of batch {batch}"
        how = [row["runtime"], row["precision"], of_batch, row["board"]]
        if not estimate:
            how.insert(1, f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}")
            if device.in_rounds:
                how.insert(-1, f"{LOW:g} quantile of rounds")
            elif passes is not None:
                how.insert(-1, f"{settings.statistic} of {passes} passes")
        return row | {"source": f"{'estimate' if estimate else 'measured'}: {', '.join(how)}"}


def ending(settings: Measuring) -> tuple[float, ...]:
    """Return the settings that end rounds."""
    return settings.until_correlation, settings.most_rounds, settings.limit_seconds


def relative_difference(one: float, other: float) -> float:
    """Return by what fraction of their mean two numbers above 0 differ."""
    return abs(one - other) / ((one + other) / 2)


def _calmest(made: Sequence[Measurement], settings: Measuring) -> Measurement:
    return min(made, key=lambda measurement: measurement.spread(settings))
