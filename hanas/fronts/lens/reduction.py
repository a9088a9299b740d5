"""A smaller space: which choices can be left out, and how much of the front goes with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np

from hanas.core.pareto import non_dominated
from hanas.fronts.lens.choices import Choice, units

#: The reference point of hypervolumes lies a tenth beyond the front, so that its ends count.
REFERENCE = 1.1
#: Combinations of choices that are left at least: a few networks can hold nearly all of a front's
#: hypervolume, but are nothing to search.
LEAST_LEFT = 100
Unit = tuple[str, str]


@dataclass(frozen=True)
class Reduction:
    """Which units go, one after the other, and the share of the hypervolume that then stays.

    ``path`` goes on until nothing can go; ``left_out`` is as much of it as keeps the share
    ``keep``. ``alone`` is the share that stays when one unit alone goes, of all that can.
    """

    path: tuple[tuple[Unit, float], ...]
    alone: dict[Unit, float]
    keep: float

    @property
    def left_out(self) -> tuple[tuple[Unit, float], ...]:
        """The units that are left out, and the share after each."""
        return tuple(step for step in self.path if step[1] >= self.keep)

    @property
    def share(self) -> float:
        """The share of the hypervolume that stays."""
        return self.left_out[-1][1] if self.left_out else 1.0


class Volumes:
    """Hypervolumes of some of the points, float64 (N, M), over that of all.

    In units in which the front of all spans the unit box; an objective that is the same on the
    whole front tells nothing.
    """

    def __init__(self, points: np.ndarray) -> None:
        front = points[non_dominated(points)]
        low, span = front.min(axis=0), np.ptp(front, axis=0)
        self.points = (points - low) / np.where(span > 0, span, 1)
        self.whole = moocore.hypervolume(self.points, ref=REFERENCE)

    def share(self, rows: np.ndarray) -> float:
        """Return the share of rows, bool (N,)."""
        if not rows.any():
            return 0.0
        # Rounded, so that equal fronts do not differ by the order in which they were summed.
        return round(moocore.hypervolume(self.points[rows], ref=REFERENCE) / self.whole, 12)


class Archive:
    """Architectures, genes int (N, G), with objectives, float64 (N, M), to leave some out of.

    ``matter``, bool (N, G), says in which architectures a gene matters.
    """

    def __init__(
        self, choices: Sequence[Choice], genes: np.ndarray, matter: np.ndarray, points: np.ndarray
    ) -> None:
        self.choices, self.units, self.volumes = choices, units(choices), Volumes(points)
        self.has = {
            unit: np.logical_or.reduce(
                [(genes[:, one.gene] == one.option) & matter[:, one.gene] for one in group]
            )
            for unit, group in self.units.items()
        }

    def without(self, gone: Sequence[Unit]) -> np.ndarray:
        """Return which architectures have none of these units, bool (N,)."""
        left = np.ones(len(self.volumes.points), dtype=bool)
        for unit in gone:
            left &= ~self.has[unit]
        return left

    def share(self, gone: Sequence[Unit]) -> float:
        """Return the share of the hypervolume that stays without these units."""
        return self.volumes.share(self.without(gone))

    def kept(self, gone: Sequence[Unit]) -> tuple[tuple[int, ...], ...]:
        """Return the options of each gene that stay without these units, by their numbers."""
        left: list[list[int]] = [[] for _ in range(1 + max(one.gene for one in self.choices))]
        for one in self.choices:
            if one.unit not in gone:
                left[one.gene].append(one.option)
        return tuple(map(tuple, left))


def reduce(archive: Archive, keep: float) -> Reduction:
    """Leave out choices, as long as the share ``keep`` of the front's hypervolume stays.

    One after the other the unit goes that costs least: a choice in all genes of its part of the
    space. Every gene keeps a choice, and :data:`LEAST_LEFT` combinations stay.
    """

    def can_go(unit: Unit) -> bool:
        kept = archive.kept([*gone, unit])
        return math.prod(map(len, kept)) >= LEAST_LEFT

    gone: list[Unit] = []
    share, path = 1.0, []
    alone = {unit: archive.share([unit]) for unit in archive.units if can_go(unit)}
    while (rows := archive.without(gone)).any():
        front = np.flatnonzero(rows)[non_dominated(archive.volumes.points[rows])]
        shares = {
            # What is not on the front costs nothing.
            unit: archive.share([*gone, unit]) if archive.has[unit][front].any() else share
            for unit in archive.units
            if unit not in gone and can_go(unit)
        }
        if not shares:
            break
        # Of equals the one that the fewest architectures have: what is rare is known least.
        fewest = {unit: -int((rows & archive.has[unit]).sum()) for unit in shares}
        best = max(shares, key=lambda unit: (shares[unit], fewest[unit]))
        share = shares[best]
        gone.append(best)
        path.append((best, share))
    return Reduction(tuple(path), alone, keep)
