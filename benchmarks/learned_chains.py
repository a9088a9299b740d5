"""How well a few trained networks tell of all 6,561 of NAS-Bench-Macro.

Usage: HANAS_DATA=folder python benchmarks/learned_chains.py

Features and prior were chosen on the first half of the architectures (drawn at random); here they
are judged on both. Kendall's tau is over architectures that were not looked up; the normalised
hypervolume is that of the exact predicted front of error and multiply-accumulates, among those of
at least 80 % accuracy, and of that front thinned to 20 networks by predicted hypervolume.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from hanas.core import plugins
from hanas.core.gaussian_process import most_telling
from hanas.core.pareto import non_dominated, thinned
from hanas.fronts.truth import normalised_hypervolume
from hanas.proxies.scoring.chain_learning import CANDIDATES, ChainModel
from hanas.spaces._stage_features import StageFeatures

SPACE = plugins.space("nas_bench_macro")
DRAWS = 5
FLOOR, THINNED = 0.2, 20


def learned(
    genes: np.ndarray, errors: np.ndarray, batches: list[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows were looked up, bool (N,), and what is expected of all, float64 (N,)."""
    pool = np.random.default_rng(seed).choice(len(genes), CANDIDATES, replace=False)
    features = StageFeatures(SPACE)(genes[pool])
    rows = pool[most_telling([features], np.arange(len(pool)), batches[0])]
    for count in batches[1:]:
        model = ChainModel(SPACE, genes[rows], errors[rows])
        chosen = model.front_to_be(genes, count, SPACE.deployed())
        places = {tuple(row): place for place, row in enumerate(genes.tolist())}
        rows = np.concatenate([rows, [places[tuple(row)] for row in chosen.tolist()]])
    expected = ChainModel(SPACE, genes[rows], errors[rows]).error(genes)
    expected[rows] = errors[rows]
    return np.isin(np.arange(len(genes)), rows), expected


def judged(genes: np.ndarray, errors: np.ndarray, batches: list[int], seed: int) -> list[float]:
    """Return tau, and the normalised hypervolumes of the front and of the thinned front."""
    seen, expected = learned(genes, errors, batches, seed)
    flops, good = SPACE.flops(genes).astype(float), errors <= FLOOR
    true, believed = (np.column_stack([of, flops])[good] for of in (errors, expected))
    true_front, front = true[non_dominated(true)], np.flatnonzero(non_dominated(believed))
    few = front[thinned(believed[front], THINNED)]
    return [
        kendalltau(expected[~seen], errors[~seen]).statistic,
        normalised_hypervolume(true[front], true_front),
        normalised_hypervolume(true[few], true_front),
    ]


def put_right(
    genes: np.ndarray, errors: np.ndarray, count: int, more: int, seed: int
) -> tuple[float, float]:
    """Return which share of wrong pairs ``more`` look-ups are expected to put right, and do.

    Over those that were not looked up.
    """
    (few, by_few), (many, by_many) = (
        learned(genes, errors, [number], seed) for number in (count, count + more)
    )
    believed = ChainModel(SPACE, genes[few], errors[few]).tau_with(more)
    assert believed is not None
    rest = ~(few | many)
    taus = [kendalltau(expected[rest], errors[rest]).statistic for expected in (by_few, by_many)]
    expected, found = (1 - (1 - later) / (1 - now) for now, later in (believed, taus))
    return expected, found


def main() -> None:
    """Print a line for each half and number of architectures looked up."""
    table = pd.read_parquet(Path(os.environ["HANAS_DATA"]) / "nas_bench_macro_cifar10.parquet")
    errors = 1 - table["mean_test_accuracy_percent"].to_numpy() / 100
    genes = np.array([SPACE.from_text(arch) for arch in table["arch"]])
    order = np.random.default_rng(1).permutation(len(genes))
    halves = (("chosen on", order[:3281]), ("other", order[3281:]))
    print("| half | looked up | tau (worst draw) | nHV | nHV, 20 networks |\n|---|--:|--:|--:|--:|")
    for half, rows in halves:
        for batches in ([10], [20], [16, 4], [50], [40, 10]):
            draws = [judged(genes[rows], errors[rows], batches, seed) for seed in range(DRAWS)]
            tau, front, few = np.mean(draws, axis=0)
            worst = np.min(draws, axis=0)[0]
            looked_up = " + ".join(map(str, batches))
            print(f"| {half} | {looked_up} | {tau:.3f} ({worst:.3f}) | {front:.3f} | {few:.3f} |")
    print(
        "\n| half | looked up | expected to put right (deviation) | put right |\n|---|--:|--:|--:|"
    )
    for half, rows in halves:
        for count, more in ((10, 10), (20, 30)):
            draws = [
                put_right(genes[rows], errors[rows], count, more, seed) for seed in range(DRAWS)
            ]
            expected, found = zip(*draws, strict=True)
            said = " | ".join(f"{np.mean(x):.0%} ({np.std(x):.0%})" for x in (expected, found))
            print(f"| {half} | {count}, then {count + more} | {said} |", flush=True)


if __name__ == "__main__":
    main()
