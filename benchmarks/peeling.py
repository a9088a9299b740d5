"""What peeling a predicted front brings, on a computed study.

``python benchmarks/peeling.py FOLDER [--dataset cifar10 --proxies params gdas_0 fused]``

FOLDER has results of ``config/ranking.yaml``: those of ``results/evaluations/ranking.csv``,
and for each device ``results/devices/{device}/nb201/{dataset}.parquet``. Printed: the normalised
hypervolume, mean over the devices, of the exact front of each proxy and of what is left of it after
so many look-ups a device, layer by layer.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from ranking_study import FLOORS_PERCENT, ceiling, read_truths

from hanas.fronts.peeling import peel
from hanas.fronts.settings import Peeling
from hanas.fronts.truth import Truth

LIMITS = (20, 50, 100)


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
            Peeling(limit=limit),
            accuracy_floor=truth.accuracy_floor,
            past_the_end=True,
        )
    )
    return ceiling(scores, truth), truth.share(layers[-1].front)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dataset", choices=list(FLOORS_PERCENT), default="cifar10")
    parser.add_argument("--proxies", nargs="+", default=["params", "gdas_0", "fused", "learned"])
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


if __name__ == "__main__":
    main()
