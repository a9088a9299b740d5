"""What it brings to centre the logits of cells before their cross-entropy is taken.

``python benchmarks/centred_logits.py FOLDER``

FOLDER has results of ``config/ranking.yaml``: those of ``results/evaluations/ranking.csv``,
for each device ``results/devices/{device}/nb201/{dataset}.parquet``, and more supernets, if they
are to be compared, as ``results/proxies/{proxy}/cifar10.parquet``. Printed: Kendall's tau over all
cells and the normalised hypervolume of the exact front, mean over the devices, by each score of
each supernet.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from peeling_and_quotas import FLOORS_PERCENT, ceiling, read_truths

from hanas.combined_proxies import SUPERNET_SCORES
from hanas.fronts.ranking import kendall_tau


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    results = parser.parse_args().folder / "results"
    names = list(FLOORS_PERCENT)
    truths = {name: read_truths(results, name) for name in names}
    errors = {}
    for name in names:
        accuracies = pd.read_parquet(results / "benchmarks" / "nb201" / f"{name}.parquet")
        errors[name] = 100 - accuracies.set_index("arch")["accuracy_percent"]
    print("tau, mean nHV of", ", ".join(truths[names[0]]))
    print("| supernet | score |", " | ".join(names), "|")
    print("|---|---|" + "--:|" * len(names))
    for file in sorted((results / "proxies").glob("*/cifar10.parquet")):
        table = pd.read_parquet(file).set_index("arch")
        if not set(SUPERNET_SCORES) <= set(table):
            continue
        for column in SUPERNET_SCORES:
            cells = []
            for name in names:
                tau = kendall_tau(table[column], errors[name].loc[table.index])
                mean = np.mean([ceiling(table[column], t) for t in truths[name].values()])
                cells.append(f"{tau:.3f}, {mean:.3f}")
            print(f"| {file.parent.name} | {column} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
