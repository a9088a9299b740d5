"""How well the analytic meter's Eyeriss ranks cells, against HW-NAS-Bench's table of Eyeriss.

    python benchmarks/analytic_eyeriss.py HW-NAS-Bench-v1_0.pickle

Both are models of the chip, that of the table another one (Accelergy and Timeloop). For random
cells Spearman's correlation of estimate and table is printed beside that of counting
multiply-accumulates. It is also printed of two parts of them, because the table counts in two ways
that are its own: it counts edges that lead nowhere or carry zeros, which no network here has, and
it gives a pooling exactly the latency of a full 3x3 convolution, while here each channel is pooled
by itself. The first run takes about a minute; what layers cost is kept.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from hanas.core.ranking import spearman_rho
from hanas.data.tables.metric_tables import NB201
from hanas.deploy import onnx_models
from hanas.devices import hw_nas_bench
from hanas.devices.analytic import AnalyticDevice

SIDE = {"cifar10": 32, "cifar100": 32, "ImageNet16-120": 16}
CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}


def estimated(genes: np.ndarray, dataset: str, device: AnalyticDevice) -> np.ndarray:
    """Return latency in ms and energy in mJ of cells, float64 (N, 2)."""
    (board,) = device.board_names()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        for row in genes:
            network = NB201.build(row, CLASSES[dataset], {"batch_norm": "running"})
            onnx_models.export(network, model, resolution=SIDE[dataset])
            timings = device.measure(model, board)
            found.append([timings.latencies_ms[0], timings.energy_mj])
    return np.array(found)


def main() -> None:
    """Print a row a metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="HW-NAS-Bench-v1_0.pickle")
    parser.add_argument("--dataset", default="cifar10", choices=list(SIDE))
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--accelerator", default="eyeriss")
    given = parser.parse_args()
    columns = hw_nas_bench.read(given.file, given.dataset, hw_nas_bench.DEVICES["eyeriss"])
    rows = np.random.default_rng(0).permutation(len(NB201.all_genes()))[: given.cells]
    genes = NB201.all_genes()[rows]
    device = AnalyticDevice.read({"kind": "analytic", "accelerator": given.accelerator})
    ours = estimated(genes, given.dataset, device)
    flops = NB201.flops(genes)
    alive = (NB201.without_dead_edges(genes) == genes).all(axis=1)
    groups = {
        "all": np.ones(len(genes), dtype=bool),
        "without dead edges": alive,
        "without dead edges and poolings": alive
        & (genes != NB201.operations.index("avg_pool_3x3")).all(axis=1),
    }
    print(f"{given.dataset}, {given.cells} random cells, {given.accelerator} (estimates)\n")
    print("| metric | cells | number | estimate | FLOPs | median of estimate / table |")
    print("|---|---|--:|--:|--:|--:|")
    for number, (metric, table) in enumerate(columns.items()):
        for name, group in groups.items():
            true, guess = table[rows][group], ours[group, number]
            by_guess, by_flops = (spearman_rho(one, true) for one in (guess, flops[group]))
            print(
                f"| {metric} | {name} | {group.sum()} | {by_guess:.3f} | {by_flops:.3f} | "
                f"{np.median(guess / true):.2f} |"
            )


if __name__ == "__main__":
    main()
