"""What it brings to fuse a small supernet with live_params, residual and pooled_shortcuts.

``python benchmarks/fused_counts.py FOLDER``

FOLDER has results of ``config/ranking.yaml``, and for more seeds of
``config/scales/ranking_seeds.yaml`` over it: those of ``results/evaluations/ranking.csv``, and for
each device ``results/devices/{device}/nb201/{dataset}.parquet``. Printed: Kendall's tau over all
cells and the normalised hypervolume of the exact front, mean over the devices.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from ranking_study import print_variants
from scipy.stats import rankdata

from hanas.core import plugins
from hanas.core.progress import print_at_once
from hanas.proxies._proxy import Inputs, Work

COUNTED = ("live_params", "residual", "pooled_shortcuts")
#: Weights of the ranks by the supernet and by what is counted, in the same order.
FUSIONS = {
    "alone": (1, 0, 0, 0),
    "4 to 1 residual": (4, 0, 1, 0),
    "4 to 1 pooled_shortcuts": (4, 0, 0, 1),
    "3 to 2 live_params": (3, 2, 0, 0),
    "3 to 2 live_params, 1 residual": (3, 2, 1, 0),
    "3 to 2 live_params, 1 residual, 1 pooled_shortcuts": (3, 2, 1, 1),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    results = parser.parse_args().folder / "results"
    work = Work(Path(), 1, print_at_once)
    counted = []
    for kind in COUNTED:
        proxy = plugins.plugin("proxies", kind).read({"kind": kind})
        table = proxy.score(plugins.space("nb201"), Inputs(), work)
        counted.append(table.set_index("arch")["score"])

    def fusions(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
        members = [table["centred_cross_entropy"], *(scores.loc[table.index] for scores in counted)]
        ranks = np.stack([rankdata(member) for member in members], axis=1)
        for name, weights in FUSIONS.items():
            yield name, pd.Series(ranks @ weights, index=table.index)

    print_variants(results, "fused", fusions)


if __name__ == "__main__":
    main()
