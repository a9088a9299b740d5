"""How well the lens finds what matters in NAS-Bench-Macro, judged by its 6,561 true accuracies.

Usage: HANAS_DATA=folder python benchmarks/lens.py

The effects of all 24 choices (8 layers of 3) on the error are those of the true accuracies, exact
means over all architectures. Beside them the same effects by what ranks without all trainings: a
model learned from 20 architectures, or fewer, that were looked up (means of five draws, in brackets
the worst), and counts. Kendall's tau and Spearman are over the 24 effects; the last column is the
choice that matters most, by the size of its effect.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from hanas.core import plugins
from hanas.core.ranking import kendall_tau, spearman_rho
from hanas.fronts.lens.choices import choices_of
from hanas.fronts.lens.effects import of_all, of_sample
from hanas.proxies.scoring.chain_learning import looked_up, model_of

SPACE = plugins.space("nas_bench_macro")
GENES = SPACE.all_genes()
MATTER = SPACE.used(GENES)
DRAWS = 5


def effects(values: np.ndarray) -> np.ndarray:
    """Return the exact effects of all choices on values of all architectures, float64 (24,)."""
    return of_all(SPACE.choices, GENES, MATTER, values.astype(np.float64)).values


def learned(truth: pd.DataFrame, batches: list[int], seed: int) -> np.ndarray:
    """Return the errors that are expected of all architectures after some were looked up."""
    return model_of(SPACE, looked_up(SPACE, batches, seed, truth)).error(GENES)


def sampled(errors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the effects estimated from the true errors of random architectures."""
    rows = np.random.default_rng(seed).permutation(len(GENES))[:count]
    return of_sample(SPACE.choices, GENES[rows], MATTER[rows], errors[rows]).values


def line(name: str, true: np.ndarray, draws: list[np.ndarray]) -> str:
    """Return a row of the table: how several draws of effects agree with the true ones."""
    taus, rhos = ([of(draw, true) for draw in draws] for of in (kendall_tau, spearman_rho))
    most = {most_of(draw) for draw in draws}
    worst = [f" ({min(each):.2f})" if len(draws) > 1 else "" for each in (taus, rhos)]
    return (
        f"| {name} | {np.mean(taus):.2f}{worst[0]} | {np.mean(rhos):.2f}{worst[1]} | "
        f"{'; '.join(sorted(most))} |"
    )


def most_of(found: np.ndarray) -> str:
    """Return the choice of the largest effect."""
    choice = choices_of(SPACE)[int(np.abs(found).argmax())]
    return f"{choice.name}, {choice.place}"


def main() -> None:
    """Print the table."""
    file = Path(os.environ["HANAS_DATA"]) / "nas_bench_macro_cifar10.parquet"
    table = pd.read_parquet(file).set_index("arch").loc[list(SPACE.all_texts())].reset_index()
    truth = table[["arch"]].assign(
        accuracy_percent=table["mean_test_accuracy_percent"], source="NAS-Bench-Macro"
    )
    errors = 1 - truth["accuracy_percent"].to_numpy() / 100
    true = effects(errors)
    print("| effects by | Kendall's tau | Spearman | matters most |\n|---|--:|--:|---|")
    print(line("true accuracies", true, [true]))
    for batches in ([20], [12, 4, 4], [10], [50]):
        draws = [effects(learned(truth, batches, seed)) for seed in range(DRAWS)]
        name = f"learned from {' + '.join(map(str, batches))}"
        print(line(name, true, draws))
    for count in (60, 200):
        draws = [sampled(errors, count, seed) for seed in range(DRAWS)]
        print(line(f"true accuracies of {count} random ones", true, draws))
    depth = (GENES > 0).sum(axis=1)
    counts = {"flops": SPACE.flops(GENES), "params": SPACE.params(GENES), "depth": depth}
    for name, count in counts.items():
        print(line(name, true, [effects(-count)]))


if __name__ == "__main__":
    main()
