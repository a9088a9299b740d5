"""The evolution that nsga2, wsea and cea share, on pymoo's genetic algorithm.

They differ in what survives: in the fitness of an architecture and in pymoo's survival operator.
How children are made is the same and follows the thesis's table 5-2: of each generation's 50
children 20 come from crossover, 25 from mutation and 5 at random, all from the 10 best parents.

J. Blank and K. Deb, "pymoo: Multi-Objective Optimization in Python", IEEE Access 8, 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.survival import Survival

from hanas.search.searchers._history import feasible_rows
from hanas.search.searchers._ledger import Ledger

#: How often children that are not new are drawn again before random architectures replace them.
ATTEMPTS = 10

#: objectives (N, M), all feasible -> what is minimised (N, K), and the constraint violation (N,),
#: 0 where none.
Fitness = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def evolve(
    ledger: Ledger,
    fitness: Fitness,
    survival: Survival,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """Run the evolution; every evaluation ends up in ``ledger``.

    Generation 0 is a random population. Then in each generation the ``parents`` best of the
    population, by ``survival``, get ``population`` children, and the ``population`` best of both
    survive. That makes population * (generations + 1) evaluations, fewer only where the space has
    no more architectures.

    An infeasible architecture is evaluated and counted, but is never a parent. With one feasible
    architecture in the population there is no crossover, with none no mutation either, and random
    architectures take their places.

    Parameters
    ----------
    ledger
        Draws and evaluates; may hold earlier samples.
    fitness
        What survival looks at.
    survival
        pymoo's survival operator.
    settings
        As :data:`hanas.search.searchers._settings.EVOLUTION`, complete.
    rng
        The only source of randomness: pymoo draws from it too, not from numpy's global state.
    """
    first = ledger.draw(settings["population"], rng)
    if len(first) == 0:
        return
    population = _evaluated(ledger, Population.new("X", first), fitness, generation=0)
    algorithm = GeneticAlgorithm(
        pop_size=settings["population"],
        sampling=population,
        survival=survival,
        mating=_Mating(ledger, survival, settings),
        eliminate_duplicates=False,  # pyright: ignore[reportArgumentType]  # the ledger's work
        advance_after_initial_infill=True,
        termination=("n_gen", settings["generations"] + 1),
    )
    problem = Problem(
        n_var=len(ledger.choices), n_obj=_array(population, "F").shape[1], n_ieq_constr=1
    )
    algorithm.setup(problem, seed=rng)  # default_rng(rng) is rng itself
    algorithm.ask()
    algorithm.tell(infills=population)
    generation = 0
    while algorithm.has_next():
        children = algorithm.ask()
        if children is None:  # the space is exhausted
            break
        generation += 1
        algorithm.tell(infills=_evaluated(ledger, children, fitness, generation))


def _evaluated(
    ledger: Ledger, population: Population, fitness: Fitness, generation: int
) -> Population:
    """Evaluate a population in place; an infeasible architecture is infinitely violating."""
    objectives = ledger.evaluate(_array(population, "X"), generation)
    feasible = feasible_rows(objectives)
    minimised, violation = fitness(np.where(feasible[:, None], objectives, 0.0))
    population.set("F", minimised)
    population.set("G", np.where(feasible, violation, np.inf)[:, None])
    return population


def _array(population: Population, key: str) -> np.ndarray:
    return np.asarray(population.get(key))


class _Mating(InfillCriterion):
    """Children by uniform crossover, by mutation and at random, none seen before."""

    def __init__(self, ledger: Ledger, survival: Survival, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.ledger = ledger
        self.survival = survival
        self.settings = settings

    def do(
        self,
        problem: Problem,
        pop: Population,
        n_offsprings: int,
        random_state: Any = None,
        n_max_iterations: int | None = None,
        **kwargs: Any,
    ) -> Population:
        """Return at most ``n_offsprings`` children; fewer if the space holds no more."""
        rng: np.random.Generator = random_state
        candidates = pop[np.isfinite(_array(pop, "CV")[:, 0])]
        best = self.survival.do(
            problem, candidates, n_survive=self.settings["parents"], random_state=rng
        )
        parents = _array(best, "X").reshape(len(best), problem.n_var)  # (P, G)
        children: dict[bytes, np.ndarray] = {}
        if len(parents) >= 2:
            self._add(children, self.settings["crossover"], lambda n: crossover(parents, n, rng))
        if len(parents) >= 1:
            probability = self.settings["mutation_probability"]
            self._add(
                children,
                self.settings["mutation"],
                lambda n: mutation(parents, n, self.ledger.choices, probability, rng),
            )
        rest = self.ledger.draw(n_offsprings - len(children), rng, besides=children)
        return Population.new("X", np.array([*children.values(), *rest]))

    def _add(
        self,
        children: dict[bytes, np.ndarray],
        count: int,
        propose: Callable[[int], np.ndarray],
    ) -> None:
        goal = len(children) + count
        for _ in range(ATTEMPTS):
            for child in propose(goal - len(children)):
                if self.ledger.is_new(child):
                    children.setdefault(child.tobytes(), child)
            if len(children) == goal:
                return


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
