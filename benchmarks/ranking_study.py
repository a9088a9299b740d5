"""Read a computed study of ``config/ranking.yaml`` and judge scores by it, for other scripts."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from hanas.core.ranking import kendall_tau
from hanas.fronts.truth import Truth, truth_of_tables

FLOORS_PERCENT = {"cifar10": 50, "cifar100": 30, "imagenet16_120": 15}


def read_truths(results: Path, dataset: str) -> dict[str, Truth]:
    """Return what is true of each device of the study."""
    accuracies = pd.read_parquet(results / "benchmarks" / "nb201" / f"{dataset}.parquet")
    return {
        table.parts[-3]: truth_of_tables(
            accuracies,
            pd.read_parquet(table),
            metrics=["latency_ms"],
            accuracy_floor_percent=FLOORS_PERCENT[dataset],
            name=table.parts[-3],
        )
        for table in sorted((results / "devices").glob(f"*/nb201/{dataset}.parquet"))
    }


def ceiling(scores: pd.Series, truth: Truth) -> float:
    """Return the ``ceiling_above_floor`` of these scores, as in the study's ``budget.csv``."""
    searched = np.column_stack([scores.loc[truth.archs], truth.objectives[:, 1]])
    mean, _ = truth.ceiling(searched, np.flatnonzero(truth.reaches_floor))
    return mean


def print_variants(
    results: Path,
    heading: str,
    variants_of: Callable[[pd.DataFrame], Iterable[tuple[str, pd.Series]]],
) -> None:
    """Print tau and mean nHV of variants of each supernet's score, on every data set.

    ``variants_of`` is given a supernet's proxy table, by architecture, and returns each variant's
    name and scores, lower is better. ``heading`` says what the variants are.
    """
    truths = {name: read_truths(results, name) for name in FLOORS_PERCENT}
    errors = {}
    for name in FLOORS_PERCENT:
        accuracies = pd.read_parquet(results / "benchmarks" / "nb201" / f"{name}.parquet")
        errors[name] = 100 - accuracies.set_index("arch")["accuracy_percent"]
    print("tau, mean nHV of", ", ".join(next(iter(truths.values()))))
    print(f"| supernet | {heading} |", " | ".join(truths), "|")
    print("|---|---|" + "--:|" * len(truths))
    for file in sorted((results / "proxies").glob("*/cifar10.parquet")):
        table = pd.read_parquet(file).set_index("arch")
        if "centred_cross_entropy" not in table:
            continue
        for variant, scores in variants_of(table):
            cells = []
            for name, of_devices in truths.items():
                tau = kendall_tau(scores, errors[name].loc[scores.index])
                mean = np.mean([ceiling(scores, truth) for truth in of_devices.values()])
                cells.append(f"{tau:.3f}, {mean:.3f}")
            print(f"| {file.parent.name} | {variant} |", " | ".join(cells), "|", flush=True)
