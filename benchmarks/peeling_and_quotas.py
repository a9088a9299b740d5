"""What peeling a predicted front brings, and what quotas by latency do, on a computed study.

``python benchmarks/peeling_and_quotas.py FOLDER [--dataset cifar10 --proxies params gdas_0 fused]``

FOLDER has results of ``config/ranking.yaml``: those of ``results/evaluations/ranking.csv``,
and for each device ``results/devices/{device}/nb201/{dataset}.parquet``. Printed: the normalised
hypervolume, mean over the devices, of the exact front of each proxy and of what is left of it after
so many look-ups a device, layer by layer; then that of what NSGA-II finds, without quotas and with
them, also with the true error as its proxy.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from ranking_study import FLOORS_PERCENT, ceiling, read_truths

from hanas.core.pareto import non_dominated
from hanas.fronts.peeling import PeelingSettings, peel
from hanas.fronts.truth import Truth
from hanas.search.searchers import nsga2
from hanas.spaces import nb201

LIMITS = (20, 50, 100)
BINS = (1, 4, 8)


def scores_of(results: Path, proxy: str, dataset: str) -> pd.Series:
    """Return what is minimised, by architecture; on another data set where it is bound to one."""
    own = results / "proxies" / proxy / f"{dataset}.parquet"
    table = pd.read_parquet(own if own.is_file() else own.with_name("cifar10.parquet"))
    column = "centred_cross_entropy" if "centred_cross_entropy" in table else "score"
    return table.set_index("arch")[column]


def peeled(scores: pd.Series, truth: Truth, limit: int) -> tuple[float, float]:
    """Return the share of the exact front, and of the front of at most ``limit`` look-ups."""
    predicted = np.column_stack([scores.loc[truth.archs], truth.objectives[:, 1]])
    layers = list(
        peel(
            predicted,
            lambda rows: truth.objectives[rows, 0],
            PeelingSettings(limit=limit),
            accuracy_floor=truth.accuracy_floor,
            past_the_end=True,
        )
    )
    return ceiling(scores, truth), truth.share(layers[-1].front)


def found(scores: pd.Series, truth: Truth, bins: int, seed: int) -> float:
    """Return the share of the front that NSGA-II finds."""
    rows_of = truth.rows_of(nb201.all_texts())
    score = scores.loc[list(nb201.all_texts())].to_numpy()
    latency = np.where(rows_of < 0, np.nan, truth.objectives[rows_of, 1])

    def evaluate(genes: np.ndarray) -> np.ndarray:
        index = nb201.index_of(genes)
        return np.column_stack([score[index], latency[index]])

    history = nsga2.search(
        nb201.choices, evaluate, {"quota_bins": bins}, np.random.default_rng(seed)
    )
    seen = nb201.index_of(history.genes)
    seen = seen[rows_of[seen] >= 0]
    front = non_dominated(np.column_stack([score[seen], latency[seen]]), copies=False)
    return truth.share(rows_of[seen[front]])


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dataset", choices=list(FLOORS_PERCENT), default="cifar10")
    parser.add_argument("--proxies", nargs="+", default=["params", "gdas_0", "fused", "learned"])
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    results = options.folder / "results"
    truths = read_truths(results, options.dataset)
    scores = {name: scores_of(results, name, options.dataset) for name in options.proxies}
    print(f"{options.dataset}, mean of {', '.join(truths)}")
    print("| proxy | exact front |", " | ".join(f"{limit} looked up" for limit in LIMITS), "|")
    print("|---|--:|" + "--:|" * len(LIMITS))
    for name, score in scores.items():
        shares = np.array(
            [[peeled(score, truth, limit) for limit in LIMITS] for truth in truths.values()]
        ).mean(axis=0)
        print(f"| {name} | {shares[0, 0]:.3f} |", " | ".join(f"{s:.3f}" for s in shares[:, 1]), "|")
    accuracies = pd.read_parquet(results / "benchmarks" / "nb201" / f"{options.dataset}.parquet")
    scores["the truth"] = 1 - accuracies.set_index("arch")["accuracy_percent"] / 100
    print("\n| proxy |", " | ".join("no quotas" if b == 1 else f"{b} bins" for b in BINS), "|")
    print("|---|" + "--:|" * len(BINS))
    for name, score in scores.items():
        means = [
            np.mean([found(score, t, b, s) for t in truths.values() for s in range(options.seeds)])
            for b in BINS
        ]
        print(f"| {name} |", " | ".join(f"{mean:.3f}" for mean in means), "|", flush=True)


if __name__ == "__main__":
    main()
