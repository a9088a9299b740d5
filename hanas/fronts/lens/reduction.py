"""A smaller space: which choices can be left out, and how much of the front goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np

from hanas.core.pareto import non_dominated
from hanas.fronts.lens.choices import Choice, units

#: The reference point of hypervolumes lies a tenth beyond the front, so that its ends count.
REFERENCE = 1.1
Unit = tuple[str, str]


@dataclass(frozen=True)
class Reduction:
    """The units that are left out, in order, and the share of the hypervolume after each.

    ``alone`` is the share that is left when one unit alone goes, of all that can. ``kept`` are the
    options of each gene that stay, by their numbers.
    """

    left_out: tuple[tuple[Unit, float], ...]
    alone: dict[Unit, float]
    kept: tuple[tuple[int, ...], ...]

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


def reduce(
    choices: Sequence[Choice],
    genes: np.ndarray,
    matter: np.ndarray,
    points: np.ndarray,
    keep: float,
) -> Reduction:
    """Leave out choices as long as the share ``keep`` of the front's hypervolume stays.

    One after the other the unit goes that costs least: a choice in all genes of its part of the
    space. ``points``, float64 (N, M), are the objectives of architectures ``genes``, int (N, G).
    Every gene keeps a choice, and some gene two.
    """
    volumes, groups = Volumes(points), units(choices)
    has = {
        unit: np.logical_or.reduce(
            [(genes[:, one.gene] == one.option) & matter[:, one.gene] for one in group]
        )
        for unit, group in groups.items()
    }
    kept = [
        {one.option for one in choices if one.gene == gene} for gene in range(genes.shape[1])
    ]

    def can_go(unit: Unit) -> bool:
        left = [set(options) for options in kept]
        for one in groups[unit]:
            left[one.gene].discard(one.option)
        return all(left) and any(len(options) > 1 for options in left)

    rows, share = np.ones(len(genes), dtype=bool), 1.0
    alone = {unit: volumes.share(~has[unit]) for unit in groups if can_go(unit)}
    left_out: list[tuple[Unit, float]] = []
    while True:
        front = np.flatnonzero(rows)[non_dominated(volumes.points[rows])]
        shares = {
            # What is not on the front costs nothing.
            unit: volumes.share(rows & ~has[unit]) if has[unit][front].any() else share
            for unit in groups
            if unit not in {gone for gone, _ in left_out} and can_go(unit)
        }
        if not shares:
            break
        # Of equals the one that the fewest architectures have: what is rare is known least.
        best = max(shares, key=lambda unit: (shares[unit], -int((rows & has[unit]).sum())))
        if shares[best] < keep:
            break
        rows, share = rows & ~has[best], shares[best]
        left_out.append((best, share))
        for one in groups[best]:
            kept[one.gene].discard(one.option)
    return Reduction(tuple(left_out), alone, tuple(tuple(sorted(each)) for each in kept))


def rows_kept(reduction: Reduction, genes: np.ndarray, matter: np.ndarray) -> np.ndarray:
    """Return which architectures, genes int (N, G), are of the smaller space, bool (N,)."""
    inside = np.ones(len(genes), dtype=bool)
    for gene, options in enumerate(reduction.kept):
        inside &= np.isin(genes[:, gene], options) | ~matter[:, gene]
    return inside
