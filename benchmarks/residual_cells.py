"""What it brings to fuse a small supernet with `residual`, with `live_params`, and with both.

``python benchmarks/residual_cells.py FOLDER``

FOLDER has results of ``config/ranking.yaml``: those of ``results/evaluations/ranking.csv``, and
for each device ``results/devices/{device}/nb201/{dataset}.parquet``. Printed: Kendall's tau over
all cells and the normalised hypervolume of the exact front, mean over the devices.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from peeling_and_quotas import FLOORS_PERCENT, ceiling, read_truths
from scipy.stats import rankdata

from hanas.fronts.ranking import kendall_tau
from hanas.proxies import live_params, residual

#: Weights of the ranks by the supernet, by live_params and by residual.
FUSIONS = {
    "alone": (1, 0, 0),
    "4 to 1 residual": (4, 0, 1),
    "3 to 2 live_params": (3, 2, 0),
    "3 to 2 live_params and 1 residual": (3, 2, 1),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    results = parser.parse_args().folder / "results"
    truths = {name: read_truths(results, name) for name in FLOORS_PERCENT}
    counted = [
        module.score(space="nb201", settings={}).set_index("arch")["score"]
        for module in (live_params, residual)
    ]
    print("tau, mean nHV of", ", ".join(truths["cifar10"]))
    print("| supernet | fused |", " | ".join(truths), "|")
    print("|---|---|" + "--:|" * len(truths))
    for file in sorted((results / "proxies").glob("*/cifar10.parquet")):
        table = pd.read_parquet(file).set_index("arch")
        if "centred_cross_entropy" not in table:
            continue
        members = [table["centred_cross_entropy"], *(scores.loc[table.index] for scores in counted)]
        ranks = np.stack([rankdata(member) for member in members], axis=1)
        for fusion, weights in FUSIONS.items():
            fused = pd.Series(ranks @ weights, index=table.index)
            cells = []
            for name, of_devices in truths.items():
                accuracies = pd.read_parquet(results / "benchmarks" / "nb201" / f"{name}.parquet")
                accuracies = accuracies.set_index("arch")["accuracy_percent"]
                tau = kendall_tau(fused, -accuracies.loc[table.index])
                mean = np.mean([ceiling(fused, truth) for truth in of_devices.values()])
                cells.append(f"{tau:.3f}, {mean:.3f}")
            print(f"| {file.parent.name} | {fusion} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
