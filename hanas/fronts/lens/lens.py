"""The lens: all that is said of the choices of a space on a device, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hanas.core.pareto import non_dominated
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.fronts.lens import standing
from hanas.fronts.lens.choices import Choice, choices_of
from hanas.fronts.lens.effects import WIDTH, Effects
from hanas.fronts.lens.population import TRUE, Population, Searched, searched
from hanas.fronts.lens.reduction import Archive, Reduction, Volumes, reduce
from hanas.fronts.rows import Row

#: A gene that explains less of the variance of a quantity does not matter for it.
LEAST_EXPLAINED = 0.001


@dataclass(frozen=True)
class Lens:
    """What is known of a space on a device by the searches ``rows`` of one proxy of a task."""

    rows: Sequence[Row]
    population: Population
    searched: Searched
    effects: Mapping[str, Effects]
    archive: Archive
    reduction: Reduction

    @property
    def choices(self) -> Sequence[Choice]:
        """All choices of the space."""
        return self.archive.choices

    @property
    def metric(self) -> str:
        """The first metric of the device that was searched."""
        return self.population.objectives[1]

    @cached_property
    def front_genes(self) -> np.ndarray:
        """Genes of all points of the found fronts, int64 (P, G)."""
        return genes_of(self.population, self.searched.fronts["arch"])

    @cached_property
    def exact(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Genes of the exact front of the whole space, and whether they matter, where known."""
        known = self.population
        if not known.listed:
            return None
        points = known.values[known.objectives].to_numpy(dtype=np.float64)
        genes = known.genes[non_dominated(points)]
        return genes, known.space.used(genes)

    @cached_property
    def standing(self) -> pd.DataFrame:
        """How often each choice is on a front, see :func:`hanas.fronts.lens.standing.table`."""
        matter = self.population.space.used(self.front_genes)
        metric = self.searched.fronts[self.metric].to_numpy(dtype=np.float64)
        return standing.table(self.choices, self.front_genes, matter, metric, self.exact)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The values of the metric between the thirds of the found fronts."""
        return standing.thirds(self.searched.fronts[self.metric].to_numpy(dtype=np.float64))[1]

    @property
    def never(self) -> np.ndarray:
        """Which choices are on no front, bool (E,)."""
        columns = [name for name in ("on_found_fronts", "on_exact_front") if name in self.standing]
        # NaN where a front's networks leave out the layer whose choice it is.
        return ~(self.standing[columns].to_numpy() > 0).any(axis=1)

    def unimportant(self, name: str) -> np.ndarray:
        """Return which genes do not matter for a column, bool (G,).

        All effects are within their intervals, or explain next to nothing of its variance.
        """
        found = self.effects[name]
        tiny = found.explained < LEAST_EXPLAINED
        within = np.abs(found.values) <= WIDTH * found.standard_errors
        for gene in range(len(tiny)):
            tiny[gene] |= all(within[one.effect] for one in self.choices if one.gene == gene)
        return tiny

    @property
    def agreement(self) -> tuple[float, float] | None:
        """Kendall's tau and Spearman of the proxy's effects with the true ones, where known."""
        if TRUE not in self.effects or self.population.score == TRUE:
            return None
        by_proxy, true = (self.effects[n].values for n in (self.population.score, TRUE))
        known = np.isfinite(by_proxy) & np.isfinite(true)
        return kendall_tau(by_proxy[known], true[known]), spearman_rho(by_proxy[known], true[known])

    @property
    def true_share(self) -> float | None:
        """The share of the true front's hypervolume in the smaller space, where it is known."""
        known = self.population
        if TRUE not in known.values or not known.listed:
            return None
        points = known.values[[TRUE, *known.objectives[1:]]].to_numpy(dtype=np.float64)
        gone = [unit for unit, _ in self.reduction.left_out]
        return Volumes(points).share(self.archive.without(gone))

    def table(self) -> pd.DataFrame:
        """Return a row a choice: effects with intervals of 95 %, fronts, whether it is kept.

        The effect on each column of the population is in the column of its name, its interval in
        ``{name}_low`` and ``{name}_high``; errors are fractions. ``front_left_without`` is what
        stays of the front's hypervolume if the choice alone goes, in all of its part;
        ``goes_as`` the order in which choices are left out, one after the other, and
        ``front_left_then`` what stays after each.
        """
        named = {
            "gene": [one.gene for one in self.choices],
            "place": [one.place for one in self.choices],
            "part": [one.part for one in self.choices],
            "choice": [one.name for one in self.choices],
        }
        found = pd.DataFrame(named)
        for name, effects in self.effects.items():
            half = WIDTH * effects.standard_errors
            found[name] = effects.values
            found[f"{name}_low"], found[f"{name}_high"] = (
                effects.values - half,
                effects.values + half,
            )
        found = found.join(self.standing)
        alone = [self.reduction.alone.get(one.unit, np.nan) for one in self.choices]
        order = {unit: number for number, (unit, _) in enumerate(self.reduction.path, start=1)}
        after, gone = dict(self.reduction.path), dict(self.reduction.left_out)
        return found.assign(
            front_left_without=alone,
            goes_as=[order.get(one.unit, pd.NA) for one in self.choices],
            front_left_then=[after.get(one.unit, np.nan) for one in self.choices],
            kept=[one.unit not in gone for one in self.choices],
        )


def genes_of(population: Population, archs: pd.Series) -> np.ndarray:
    """Return the genes, int64 (N, G), of canonical texts."""
    return np.array([population.space.from_text(arch) for arch in archs])


def look(rows: Sequence[Row], population: Population, *, keep: float) -> Lens:
    """Look at a space through searches ``rows`` of one proxy, those that are shown first.

    What can be left out is judged by all architectures where they are listed, else by all that the
    searches evaluated and the population.
    """
    of_searches = searched(rows, non_dominated)
    space, names, genes = population.space, population.objectives, population.genes
    points = population.values[names].to_numpy(dtype=np.float64)
    if not population.listed:
        genes = np.concatenate([genes_of(population, of_searches.evaluated["arch"]), genes])
        points = np.concatenate([of_searches.evaluated[names].to_numpy(np.float64), points])
    archive = Archive(choices_of(space), genes, space.used(genes), points)
    reduction = reduce(archive, keep)
    return Lens(rows, population, of_searches, population.effects(), archive, reduction)
