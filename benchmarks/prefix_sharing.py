"""Scoring populations with what their beginnings share computed once, against one by one.

``python benchmarks/prefix_sharing.py [--space shuffle_i --width 0.5 --side 32 --images 256]``

The populations are those of an nsga2 search of the space, of a count for the error and a made-up
latency: the random first one, and the children of later generations. Both ways take turns in one
process of one thread, with the same weights and images; that they agree to the last bit is checked.
Printed: how many layers one-by-one evaluation computes for each that sharing computes, and the same
of seconds (the median of the turns), which is more: the first layers are shared most, and with
their large maps they take most of the time.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from hanas.core import plugins
from hanas.data.batches import load_split
from hanas.data.images import SPLITS, ImageData
from hanas.proxies.scoring.chain_evaluation import STATISTICS, Pictures, SharedEvaluation


def populations(space, generations: list[int]) -> dict[int, np.ndarray]:
    """Return what nsga2 evaluates in some generations, of its 20."""
    costs = np.random.default_rng(0).random((len(space.choices), len(space.operations)))

    def evaluate(genes: np.ndarray) -> np.ndarray:
        latency = costs[np.arange(len(space.choices)), genes].sum(axis=1)
        return np.stack([-space.params(genes).astype(float), latency], axis=1)

    searcher = plugins.plugin("searchers", "nsga2").read({"searcher": "nsga2"})
    history = searcher.search(space.choices, evaluate, np.random.default_rng(0))
    return {number: history.genes[history.generation == number] for number in generations}


def pictures(options: argparse.Namespace) -> Pictures:
    """Return random images."""
    count = max(options.images, options.calibration_images)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (3 * count, options.side, options.side, 3)).astype(np.uint8)
    splits = {name: np.arange(n * count, (n + 1) * count) for n, name in enumerate(SPLITS)}
    labels = np.arange(3 * count, dtype=np.int64) % 10
    data = ImageData(images, labels, tuple("0123456789"), splits, ())
    calibration = None
    if options.statistics == "recalibrated":
        calibration = load_split(data, "train").take(options.calibration_images)
    return Pictures(load_split(data, "validation").take(options.images), calibration, options.batch)


def main() -> None:
    """Print a line for each population."""
    layerwise = [n for n in plugins.names("spaces") if not plugins.space(n).enumerable]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=layerwise, default="shuffle_i")
    parser.add_argument("--statistics", choices=STATISTICS, default="batch")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--calibration-images", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--generations", type=int, nargs="+", default=[0, 1, 5, 10, 20])
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, used = plugins.space(options.space), pictures(options)
    settings = {"width": options.width, "resolution": options.side}
    network = space.supernet(10, settings).to(memory_format=torch.channels_last)
    shared = SharedEvaluation(network, used)
    print("| generation | architectures | layers | one by one, s | shared, s | ratio |")
    print("|--:|--:|--:|--:|--:|--:|")
    for generation, genes in populations(space, options.generations).items():
        beginnings = {tuple(row[:end]) for row in genes.tolist() for end in range(1, len(row) + 1)}
        layers = genes.size / len(beginnings)
        seconds: dict[str, list[float]] = {"one by one": [], "shared": []}
        for _ in range(options.turns):
            started = time.perf_counter()
            plain = [shared.score(row[None]) for row in genes]
            between = time.perf_counter()
            found = shared.score(genes)
            seconds["one by one"].append(between - started)
            seconds["shared"].append(time.perf_counter() - between)
            for name, values in found.items():
                assert values.tolist() == [scores[name][0] for scores in plain], "they differ"
        one, together = (statistics.median(seconds[way]) for way in seconds)
        print(
            f"| {generation} | {len(genes)} | {layers:.2f} | {one:.1f} | {together:.1f} "
            f"| {one / together:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
