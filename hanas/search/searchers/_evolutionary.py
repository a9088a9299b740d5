"""The evolution that nsga2, wsea and cea share; they differ in fitness and survival.

How children are made follows the thesis's table 5-2; what survives is said by pymoo's operators
(J. Blank and K. Deb, "pymoo: Multi-Objective Optimization in Python", IEEE Access 8, 2020).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from numpy.random import Generator
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Fraction
from hanas.search.searchers._searcher import Evaluate, History, Ledger, Searcher, feasible_rows

if TYPE_CHECKING:
    from pymoo.core.population import Population
    from pymoo.core.survival import Survival

#: How often children that are not new are drawn again before random architectures replace them.
ATTEMPTS = 10
Children = Annotated[int, Field(ge=0)]
ByObjectives = Callable[[np.ndarray], np.ndarray]  # of objectives (N, M)


@dataclass(frozen=True)
class Selection:
    """Which architectures survive and have children, by their objectives."""

    survival: Survival  # pymoo's operator
    fitness: ByObjectives  # what is minimised (N, K)
    violation: ByObjectives = lambda each: np.zeros(len(each))  # of a constraint (N,), 0 where none
    score: ByObjectives | None = None  # in the history (N,); None for NaN


class EvolutionarySearcher(Searcher):
    """Evolution of a population, that of generation 0 random.

    In each generation the ``parents`` best of the population get ``population`` children, and the
    ``population`` best of both survive. That makes population * (generations + 1) evaluations,
    fewer only where the space has no more architectures. An infeasible one is evaluated and
    counted, but is never a parent: with one feasible architecture in the population there is no
    crossover, with none no mutation either, and random ones take their places.
    """

    generations: Count = Field(20, description="Generations after the first population.")
    population: Count = Field(50, description="Architectures a generation.")
    parents: Annotated[int, Field(ge=2)] = Field(
        10, description="Best of the population that have children."
    )
    crossover: Children = Field(20, description="Children by crossover a generation.")
    mutation: Children = Field(25, description="Children by mutation a generation.")
    random: Children = Field(5, description="Random architectures a generation.")
    mutation_probability: Fraction = Field(0.1, description="Probability that a gene mutates.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        children = self.crossover + self.mutation + self.random
        if children != self.population:
            said = f"is {children}; expected population, {self.population}"
            raise InputError(f": crossover + mutation + random {said}")
        if self.parents > self.population:
            raise InputError(f"parents is {self.parents}; expected at most population")
        return self

    @abstractmethod
    def selection(self, ledger: Ledger, rng: Generator) -> Selection:
        """Return what survives; may evaluate samples of the space to find out."""

    def search(self, choices: Sequence[int], evaluate: Evaluate, rng: Generator) -> History:
        """Search a space; see :class:`~hanas.search.searchers._searcher.Searcher`."""
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem

        ledger = Ledger(choices, evaluate)
        selection = self.selection(ledger, rng)
        problem = Problem(n_var=len(choices), n_ieq_constr=1)

        def best(candidates: Population, count: int) -> Population:
            return selection.survival.do(problem, candidates, n_survive=count, random_state=rng)

        population, children = Population(), ledger.draw(self.population, rng)
        for generation in range(self.generations + 1):
            if generation > 0:
                feasible = population[np.isfinite(np.asarray(population.get("CV"))[:, 0])]
                parents = np.asarray(best(feasible, self.parents).get("X"))
                children = self._children(parents.reshape(-1, len(choices)), ledger, rng)
            if len(children) == 0:  # the space is exhausted
                break
            objectives = ledger.evaluate(children, generation)
            feasible = feasible_rows(objectives)
            able = np.where(feasible[:, None], objectives, 0.0)
            violation = np.where(feasible, selection.violation(able), np.inf)[:, None]
            born = Population.new("X", children, "F", selection.fitness(able), "G", violation)
            population = best(Population.merge(population, born), self.population)
        return ledger.history(selection.score)

    def _children(self, parents: np.ndarray, ledger: Ledger, rng: Generator) -> np.ndarray:
        """Return at most ``population`` children of parents (P, G), none seen before."""
        children: dict[bytes, np.ndarray] = {}

        def add(count: int, propose: Callable[[int], np.ndarray]) -> None:
            goal = len(children) + count
            for _ in range(ATTEMPTS):
                for child in ledger.tidy(propose(goal - len(children))):
                    if ledger.is_new(child):
                        children.setdefault(child.tobytes(), child)
                if len(children) == goal:
                    return

        if len(parents) >= 2:
            add(self.crossover, lambda n: crossover(ledger.filled(parents, rng), n, rng))
        if len(parents) >= 1:
            rate = self.mutation_probability
            add(
                self.mutation,
                lambda n: mutation(ledger.filled(parents, rng), n, ledger.choices, rate, rng),
            )
        rest = ledger.draw(self.population - len(children), rng, besides=children)
        return np.array([*children.values(), *rest])


def crossover(parents: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """Return children (count, G) that have each gene from either of two parents (P, G) alike."""
    first = rng.integers(len(parents), size=count)
    second = (first + rng.integers(1, len(parents), size=count)) % len(parents)
    from_first = rng.random((count, parents.shape[1])) < 0.5
    return np.where(from_first, parents[first], parents[second])


def mutation(
    parents: np.ndarray, count: int, choices: np.ndarray, probability: float, rng: Generator
) -> np.ndarray:
    """Return mutants (count, G): genes change with a probability, to any other choice alike."""
    mutants = parents[rng.integers(len(parents), size=count)]
    steps = rng.integers(1, np.maximum(choices, 2), size=mutants.shape)
    mutates = rng.random(mutants.shape) < probability
    return np.where(mutates, (mutants + steps) % choices, mutants)


class SamplingSearcher(EvolutionarySearcher):
    """Evolution of a scalar, whose objectives are scaled by random architectures.

    These come first in the history, as generation -1, and none of them is evaluated again, so by
    default 2,050 architectures are. The first population of the evolution is drawn afresh.
    """

    samples: Annotated[int, Field(ge=2)] = Field(
        1000, description="Random architectures drawn first; they count as evaluations."
    )

    def sampled(self, ledger: Ledger, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the samples; return objectives (K, M) of the feasible ones and their scale (M,).

        It is the standard deviation, 1 where all are the same. Raises InputError if there is none.
        """
        sampled = ledger.evaluate(ledger.draw(self.samples, rng), generation=-1)
        sampled = sampled[feasible_rows(sampled)]
        if len(sampled) == 0:
            said = f"{self.searcher}: none of {self.samples} random architectures is feasible"
            raise InputError(f"{said}; raise samples, or check the device table")
        return sampled, np.where(np.ptp(sampled, axis=0) > 0, sampled.std(axis=0), 1.0)
