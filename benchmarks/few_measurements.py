"""How well all cells are predicted from a few that were measured, on HW-NAS-Bench.

    python benchmarks/few_measurements.py HW-NAS-Bench-v1_0.pickle

For each device: Spearman's correlation on the cells that were not measured with 50 measurements,
random ones and those that a campaign chooses, beside counting multiply-accumulates; their relative
errors; the part of the cells within one predicted deviation; and how many random measurements it
takes, of a grid, until the mean correlation is 0.95 and 0.99. A cell that the device cannot run
counts as measured. Takes about eight minutes on one core; --seeds and --most make it shorter.

The features and expected parameters were chosen on CIFAR-100 with edgegpu, pixel3 and eyeriss. The
other devices were not looked at, and neither was another data set.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from hanas.core.ranking import spearman_rho
from hanas.data.tables.metric_tables import NB201
from hanas.devices import hw_nas_bench
from hanas.devices._device import Campaign
from hanas.devices.prediction import predictor
from hanas.devices.prediction.campaign import conduct
from hanas.devices.prediction.features import Features

GRID = (10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 600, 800)
GOALS = (0.95, 0.99)
MODELS = 50
SPACE = "nb201"


class Device:
    """The table of one device."""

    def __init__(self, path: Path, dataset: str, name: str) -> None:
        self.name = name
        columns = hw_nas_bench.read(path, dataset, hw_nas_bench.DEVICES[name])
        marker = hw_nas_bench.INFEASIBLE.get(name)
        self.values = {
            metric: np.where(column == marker, np.nan, column) for metric, column in columns.items()
        }

    def measure(self, archs: list[str]) -> pd.DataFrame:
        rows = NB201.index_of(np.array([NB201.from_text(arch) for arch in archs]))
        metrics = {metric: column[rows] for metric, column in self.values.items()}
        feasible = np.isfinite(metrics["latency_ms"])
        return pd.DataFrame({"arch": archs, "feasible": feasible, "source": "table", **metrics})

    def fitted_to(self, rows: np.ndarray) -> predictor.Predictor:
        metrics = {metric: column[rows] for metric, column in self.values.items()}
        return predictor.fit(SPACE, NB201.all_genes()[rows], metrics, source="table")

    def judged(self, fitted: predictor.Predictor) -> dict[str, list[float]]:
        """Return rank correlation, median and p90 relative error, and cells within a deviation."""
        predicted = fitted.predict(NB201.all_genes())
        found = {}
        for metric, true in self.values.items():
            left = np.isfinite(true)
            left[NB201.index_of(fitted.genes)] = False
            expected = predicted[metric].to_numpy()[left]
            off = np.abs(expected - true[left])
            within = off <= predicted[f"{metric}_deviation"].to_numpy()[left]
            found[metric] = [
                spearman_rho(expected, true[left]),
                float(np.median(off / true[left])),
                float(np.quantile(off / true[left], 0.9)),
                float(within.mean()),
            ]
        return found


def random_cells(count: int, seed: int) -> np.ndarray:
    """Return the numbers of so many random cells."""
    return np.random.default_rng(seed).permutation(len(NB201.all_genes()))[:count]


def needed(device: Device, goals: tuple[float, ...], seeds: int, most: int) -> dict[str, list[str]]:
    """Return for each metric how many measurements each goal takes; what the most reach."""
    found: dict[str, dict[float, str]] = {metric: {} for metric in device.values}
    last: dict[str, float] = {}
    grid = [count for count in GRID if count <= most]
    for count in grid:
        if all(len(reached) == len(goals) for reached in found.values()):
            break
        judged = [
            device.judged(device.fitted_to(random_cells(count, seed))) for seed in range(seeds)
        ]
        for metric, reached in found.items():
            mean = np.mean([one[metric][0] for one in judged])
            last[metric] = float(mean)
            for goal in goals:
                if goal not in reached and mean >= goal:
                    reached[goal] = str(count)
    return {
        metric: [reached.get(goal, f"> {grid[-1]} ({last[metric]:.3f})") for goal in goals]
        for metric, reached in found.items()
    }


def main() -> None:
    """Print a row a metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="HW-NAS-Bench-v1_0.pickle")
    parser.add_argument("--dataset", default="cifar10", help="cifar10, cifar100, ImageNet16-120")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=GRID[-1], help="largest count of the grid")
    given = parser.parse_args()
    flops = Features.of(SPACE, None).multiply_accumulates(NB201.all_genes())
    print(f"{given.dataset}, {MODELS} measurements, means of {given.seeds} seeds (worst seed)\n")
    print(
        "| device | metric | FLOPs | random | chosen | median error: random | chosen | "
        "90 % of errors below: random | chosen | within 1 deviation | for 0.95 | for 0.99 |"
    )
    print("|---|---|" + "--:|" * 10)
    for name in hw_nas_bench.DEVICES:
        device = Device(given.file, given.dataset, name)
        how: dict[str, list[dict[str, list[float]]]] = {"random": [], "chosen": []}
        for seed in range(given.seeds):
            how["random"].append(device.judged(device.fitted_to(random_cells(MODELS, seed))))
            campaign = Campaign.read({"models": MODELS, "held_out": 3, "seed": seed})
            _, fitted, _ = conduct(SPACE, campaign, device.measure, log=lambda line: None)
            how["chosen"].append(device.judged(fitted))
        counts = needed(device, GOALS, given.seeds, given.most)
        for metric, true in device.values.items():
            known = np.isfinite(true)
            by_flops = spearman_rho(flops[known], true[known])
            random, chosen = (np.array([one[metric] for one in of]) for of in how.values())
            cells = [name, metric, f"{by_flops:.3f}"]
            cells += [f"{of[:, 0].mean():.3f} ({of[:, 0].min():.3f})" for of in (random, chosen)]
            cells += [f"{of[:, n].mean():.1%}" for n in (1, 2) for of in (random, chosen)]
            cells += [f"{random[:, 3].mean():.0%}", *counts[metric]]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
