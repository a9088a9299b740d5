"""The three searchers against stock pymoo at equal numbers of unique evaluations.

``python benchmarks/searchers.py [--seeds 15]``

On the shipped surrogates of CIFAR-10 (error and latency of each device). Printed: the normalised
hypervolume against the true front (mean over the seeds) of nsga2 and of pymoo's own NSGA-II with
integer operators; the score of the best cell of wsea and cea and of pymoo's own GA on the same
score (lower is better); and the seconds of both. pymoo's own algorithms evaluate the same cell
again and again in this small space: they may go on for ten times the generations, or until they
have seen as many different cells, whichever is first; the last column says how many these are.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling

from hanas.core import plugins
from hanas.core.pareto import non_dominated
from hanas.data.tables.metric_tables import NB201
from hanas.fronts.truth import normalised_hypervolume

DEVICES = ("edgegpu", "raspi4", "eyeriss", "fpga")


class Tabular(Problem):
    """The space as pymoo sees it: six whole numbers of 0 to 4; counts its unique evaluations."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(n_var=6, n_obj=values.shape[1], xl=0, xu=4, vtype=int)
        self.values, self.rows = values, {}

    def _evaluate(self, x, out, *args, **kwargs) -> None:
        rows = NB201.index_of(x.astype(np.int64))
        self.rows.update(dict.fromkeys(rows.tolist()))
        out["F"] = self.values[rows]


def stock(kind: type, values: np.ndarray, evaluations: int, seed: int) -> np.ndarray:
    """Return the rows that pymoo's own algorithm evaluated, in order."""
    operators = {
        "sampling": IntegerRandomSampling(),
        "crossover": SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        "mutation": PM(eta=20, vtype=float, repair=RoundingRepair()),
    }
    problem = Tabular(values)
    algorithm = kind(pop_size=50, eliminate_duplicates=True, **operators)
    algorithm.setup(problem, termination=("n_gen", 10 * evaluations // 50), seed=seed)
    while algorithm.has_next() and len(problem.rows) < evaluations:
        algorithm.next()
    return np.array(list(problem.rows))[:evaluations]


def score_of(name: str, values: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Return the score of every cell by the samples that a run of wsea or cea drew.

    Cells over the limit of cea are worse than any within it, by how far they are over.
    """
    if name == "wsea":
        return ((values - sampled.mean(axis=0)) / sampled.std(axis=0)).mean(axis=1)
    over = np.maximum(values[:, 1] - np.percentile(sampled[:, 1], 60), 0)
    return np.where(over > 0, 1 + over, values[:, 0])


def main() -> None:
    """Print a line for each device and searcher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=15)
    seeds = range(parser.parse_args().seeds)
    print(
        "| device | searcher | hanas | stock pymoo | seconds, hanas | seconds, stock | ratio | "
        "evaluations |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for device in DEVICES:
        tabulated = plugins.plugin("devices", "surrogate").read(
            {"kind": "surrogate", "device": device}
        )
        latency = tabulated.table(NB201, "cifar10", Path())["latency_ms"]
        benchmark = plugins.plugin("benchmarks", "surrogate").read({"kind": "surrogate"})
        accuracies = benchmark.accuracies(NB201, "cifar10", Path())
        accuracy = accuracies["accuracy_percent"]
        values = np.column_stack([1 - accuracy / 100, latency])
        truth = values[non_dominated(values)]

        def evaluate(genes, values=values):
            return values[NB201.index_of(genes)]

        for name in ("nsga2", "wsea", "cea"):
            searcher = plugins.plugin("searchers", name).read({"searcher": name})
            quality, seconds = {"hanas": [], "stock": []}, {"hanas": 0.0, "stock": 0.0}
            counts = {"hanas": [], "stock": []}
            for seed in seeds:
                started = time.perf_counter()
                history = searcher.search(NB201.choices, evaluate, np.random.default_rng(seed))
                seconds["hanas"] += time.perf_counter() - started
                rows = NB201.index_of(history.genes)
                if name == "nsga2":
                    objectives, kind = values, NSGA2
                else:  # the score of this run, for every cell
                    sampled = history.objectives[history.generation < 0]
                    objectives, kind = score_of(name, values, sampled)[:, None], GA
                started = time.perf_counter()
                other = stock(kind, objectives, len(rows), seed)
                seconds["stock"] += time.perf_counter() - started
                for who, found in (("hanas", rows), ("stock", other)):
                    counts[who].append(len(found))
                    if name == "nsga2":
                        front = values[found][non_dominated(values[found])]
                        quality[who].append(normalised_hypervolume(front, truth))
                    else:
                        quality[who].append(objectives[found].min())
            ours, theirs = np.mean(quality["hanas"]), np.mean(quality["stock"])
            times = seconds["hanas"] / len(seeds), seconds["stock"] / len(seeds)
            print(
                f"| {device} | {name} | {ours:.4f} | {theirs:.4f} | {times[0]:.2f} | "
                f"{times[1]:.2f} | {times[1] / times[0]:.1f} | "
                f"{np.mean(counts['hanas']):.0f} / {np.mean(counts['stock']):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
