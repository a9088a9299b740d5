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

from ranking_study import print_variants

from hanas.proxies._proxy import SUPERNET_SCORES


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    results = parser.parse_args().folder / "results"
    print_variants(
        results, "score", lambda table: ((column, table[column]) for column in SUPERNET_SCORES)
    )


if __name__ == "__main__":
    main()
