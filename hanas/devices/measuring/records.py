"""What is known of the latency of one model, and whether it can be trusted.

All measurements of a model are kept as they are; which of them counts follows from them and the
settings, so that other settings judge the same facts anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hanas.core.errors import InputError
from hanas.core.files import digest, read_json, write_json
from hanas.core.settings import check_choice, check_number
from hanas.devices.measuring.timings import Timings


@dataclass(frozen=True)
class TrustSettings:
    """When a measurement can be trusted.

    Parameters
    ----------
    statistic
        The latency of a model: ``mean`` or ``median`` of its passes.
    repeats
        Measurements of a model at most, while they are unstable.
    spread_limit
        Spread of the passes, and difference between two measurements, above which a measurement
        is unstable; fractions.
    """

    statistic: str = "mean"
    repeats: int = 3
    spread_limit: float = 0.1

    def __post_init__(self) -> None:
        check_choice("statistic", self.statistic, ("mean", "median"))
        check_number("repeats", self.repeats, at_least=1, whole=True)
        check_number("spread_limit", self.spread_limit, above=0)


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
        return Measurement(
            board=board,
            runtime=timings.runtime or runtime,
            passes=len(latencies),
            mean_ms=float(latencies.mean()),
            median_ms=median,
            q25_ms=q25,
            q75_ms=q75,
            energy_mj=timings.energy_mj,
            estimate=timings.estimate,
        )

    def latency_ms(self, statistic: str) -> float:
        """Return the mean or the median."""
        return self.mean_ms if statistic == "mean" else self.median_ms

    def spread(self, statistic: str) -> float:
        """Return how uncertain the statistic is, as a fraction of the median.

        The larger of the interquartile range and of the distance between the statistic and the
        median: a few slow passes move a mean and leave the quartiles where they are. A single
        number has no spread: 0.
        """
        off = abs(self.latency_ms(statistic) - self.median_ms)
        return max(self.q75_ms - self.q25_ms, off) / self.median_ms


class Judged(NamedTuple):
    """The measurement that counts, and whether it is stable."""

    measurement: Measurement
    stable: bool


@dataclass(frozen=True)
class Record:
    """What is known of a model.

    Parameters
    ----------
    first
        Measurements made one after the other until one was stable.
    again
        Those of the A/A check, made later.
    refused
        Why the model is infeasible; None where it is not.
    """

    first: tuple[Measurement, ...] = ()
    again: tuple[Measurement, ...] = ()
    refused: str | None = None

    def with_first(self, measurement: Measurement) -> Record:
        """Return the record with one more measurement."""
        return replace(self, first=(*self.first, measurement))

    def with_again(self, measurement: Measurement) -> Record:
        """Return the record with one more measurement of the A/A check."""
        return replace(self, again=(*self.again, measurement))

    def is_measured(self, trust: TrustSettings) -> bool:
        """Return whether a measurement is stable, or there were enough of them."""
        return (
            self.refused is not None
            or len(self.first) >= trust.repeats
            or any(_is_stable(m, trust) for m in self.first)
        )

    def is_checked(self, trust: TrustSettings) -> bool:
        """Return whether the A/A check agrees, cannot agree, or has been tried often enough."""
        hopeless = bool(self.again) and not any(_is_stable(m, trust) for m in self.first)
        return hopeless or len(self.again) >= trust.repeats or bool(self._agreeing(trust))

    def judged(self, trust: TrustSettings) -> Judged:
        """Return the measurement that counts: of those that can be trusted, the calmest.

        Without an A/A check that is the one with the least spread, stable where the spread is
        within the limit. With one, a stable measurement needs another one of the other time that
        differs by no more than the limit.
        """
        trusted = self._agreeing(trust) if self.again else []
        trusted = trusted or [*self.first, *self.again]
        calmest = min(trusted, key=lambda m: m.spread(trust.statistic))
        agreed = not self.again or bool(self._agreeing(trust))
        return Judged(calmest, agreed and _is_stable(calmest, trust))

    def difference(self, trust: TrustSettings) -> float:
        """Return by what fraction the first measurement and that of the A/A check differ."""
        one, other = (
            min(made, key=lambda m: m.spread(trust.statistic)) for made in (self.first, self.again)
        )
        return _difference(one, other, trust.statistic)

    def _agreeing(self, trust: TrustSettings) -> list[Measurement]:
        return [
            measurement
            for one in self.first
            for other in self.again
            if _is_stable(one, trust)
            and _is_stable(other, trust)
            and _difference(one, other, trust.statistic) <= trust.spread_limit
            for measurement in (one, other)
        ]


def _is_stable(measurement: Measurement, trust: TrustSettings) -> bool:
    return measurement.spread(trust.statistic) <= trust.spread_limit


def _difference(one: Measurement, other: Measurement, statistic: str) -> float:
    a, b = one.latency_ms(statistic), other.latency_ms(statistic)
    return abs(a - b) / ((a + b) / 2)


def read(folder: Path, key: Mapping[str, Any]) -> Record | None:
    """Return what is kept of the model with a key; None where nothing is, or it is damaged."""
    try:
        kept = read_json(file(folder, key))
        record = kept["record"]
        if kept["key"] != key or kept["digest"] != digest(record):
            return None
        times = {name: tuple(Measurement(**m) for m in record[name]) for name in ("first", "again")}
        return Record(**times, refused=record["refused"])
    except (InputError, KeyError, TypeError):
        return None


def write(folder: Path, key: Mapping[str, Any], record: Record) -> None:
    """Keep what is known of a model where the next run finds it."""
    facts = asdict(record)
    write_json(file(folder, key), {"key": key, "record": facts, "digest": digest(facts)})


def file(folder: Path, key: Mapping[str, Any]) -> Path:
    """Return the file of the model with a key."""
    return folder / f"{digest(key)[:24]}.json"
