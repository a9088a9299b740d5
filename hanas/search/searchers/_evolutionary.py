"""The evolution that nsga2, wsea and cea share; they differ in fitness and survival.

How children are made follows the thesis's table 5-2: of each generation's 50 children 20 come
from crossover, 25 from mutation and 5 at random, all from the 10 best parents. What survives is
said by pymoo's operators (J. Blank and K. Deb, "pymoo: Multi-Objective Optimization in Python",
IEEE Access 8, 2020).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Fraction
from hanas.search.searchers._ledger import Ledger
from hanas.search.searchers._searcher import Evaluate, History, Searcher, feasible_rows

if TYPE_CHECKING:
    from pymoo.core.population import Population
    from pymoo.core.survival import Survival

#: How often children that are not new are drawn again before random architectures replace them.
ATTEMPTS = 10

Children = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Selection:
    """Which architectures survive and have children, by their objectives (N, M)."""

    survival: Survival  # pymoo's operator
    fitness: Callable[[np.ndarray], np.ndarray]  # -> what is minimised (N, K)
    #: -> the constraint violation (N,), 0 where none; None for no constraint.
    violation: Callable[[np.ndarray], np.ndarray] | None = None
    #: -> the score (N,) of the history; None for NaN.
    score: Callable[[np.ndarray], np.ndarray] | None = None


class EvolutionarySearcher(Searcher):
    """Evolution of a population.

    Generation 0 is a random population. Then in each generation the ``parents`` best of the
    population get ``population`` children, and the ``population`` best of both survive. That makes
    population * (generations + 1) evaluations, fewer only where the space has no more
    architectures.

    An infeasible architecture is evaluated and counted, but is never a parent. With one feasible
    architecture in the population there is no crossover, with none no mutation either, and random
    architectures take their places.
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
            raise InputError(
                f": crossover + mutation + random is {children}; expected population, "
                f"{self.population}"
            )
        if self.parents > self.population:
            raise InputError(f"parents is {self.parents}; expected at most population")
        return self

    @abstractmethod
    def selection(self, ledger: Ledger, rng: np.random.Generator) -> Selection:
        """Return what survives; may evaluate samples of the space to find out."""

    def search(
        self, choices: Sequence[int], evaluate: Evaluate, rng: np.random.Generator
    ) -> History:
        """Search a space, see :meth:`hanas.search.searchers._searcher.Searcher.search`."""
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
                feasible = population[np.isfinite(_array(population, "CV")[:, 0])]
                parents = _array(best(feasible, self.parents), "X").reshape(-1, len(choices))
                children = self._children(parents, ledger, rng)
            if len(children) == 0:  # the space is exhausted
                break
            born = _evaluated(ledger, children, selection, generation)
            population = best(Population.merge(population, born), self.population)
        return ledger.history(selection.score)

    def _children(
        self, parents: np.ndarray, ledger: Ledger, rng: np.random.Generator
    ) -> np.ndarray:
        """Return at most ``population`` children of parents (P, G), none seen before."""
        children: dict[bytes, np.ndarray] = {}

        def add(count: int, propose: Callable[[int], np.ndarray]) -> None:
            goal = len(children) + count
            for _ in range(ATTEMPTS):
                for child in propose(goal - len(children)):
                    if ledger.is_new(child):
                        children.setdefault(child.tobytes(), child)
                if len(children) == goal:
                    return

        if len(parents) >= 2:
            add(self.crossover, lambda count: crossover(parents, count, rng))
        if len(parents) >= 1:
            rate = self.mutation_probability
            add(self.mutation, lambda count: mutation(parents, count, ledger.choices, rate, rng))
        rest = ledger.draw(self.population - len(children), rng, besides=children)
        return np.array([*children.values(), *rest])


class SamplingSearcher(EvolutionarySearcher):
    """Evolution of a scalar, whose objectives are scaled by random architectures.

    These are evaluations like any other: they come first in the history, as generation -1, and
    none of them is evaluated again, so by default 2,050 architectures are. The first population
    of the evolution is drawn afresh.
    """

    samples: Annotated[int, Field(ge=2)] = Field(
        1000, description="Random architectures drawn first; they count as evaluations."
    )

    def sampled(self, ledger: Ledger, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the samples; return the objectives (K, M) of the feasible ones and the scale (M,).

        The scale is their standard deviation, 1 where they are all the same.

        Raises
        ------
        InputError
            If none is feasible.
        """
        sampled = ledger.evaluate(ledger.draw(self.samples, rng), generation=-1)
        sampled = sampled[feasible_rows(sampled)]
        if len(sampled) == 0:
            raise InputError(
                f"{self.searcher}: none of {self.samples} random architectures is feasible; "
                "raise samples, or check the device table"
            )
        return sampled, np.where(np.ptp(sampled, axis=0) > 0, sampled.std(axis=0), 1.0)


def crossover(parents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return children, int64 (count, G), each of two different rows of ``parents`` (P, G).

    Each gene comes from either parent with equal probability.
    """
    first = rng.integers(len(parents), size=count)
    second = (first + rng.integers(1, len(parents), size=count)) % len(parents)
    from_first = rng.random((count, parents.shape[1])) < 0.5
    return np.where(from_first, parents[first], parents[second])


def mutation(
    parents: np.ndarray,
    count: int,
    choices: np.ndarray,
    probability: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return children, int64 (count, G), each of one row of ``parents`` (P, G).

    Each gene changes with the given probability, to any other of its choices alike.
    """
    children = parents[rng.integers(len(parents), size=count)]
    steps = rng.integers(1, np.maximum(choices, 2), size=children.shape)
    mutates = rng.random(children.shape) < probability
    return np.where(mutates, (children + steps) % choices, children)


def _evaluated(
    ledger: Ledger, genes: np.ndarray, selection: Selection, generation: int
) -> Population:
    """Return architectures as pymoo knows them; infeasible ones are infinitely violating."""
    from pymoo.core.population import Population

    objectives = ledger.evaluate(genes, generation)
    feasible = feasible_rows(objectives)
    able = np.where(feasible[:, None], objectives, 0.0)
    violation = selection.violation(able) if selection.violation else np.zeros(len(able))
    constraint = np.where(feasible, violation, np.inf)[:, None]
    return Population.new("X", genes, "F", selection.fitness(able), "G", constraint)


def _array(population: Population, key: str) -> np.ndarray:
    return np.asarray(population.get(key))
