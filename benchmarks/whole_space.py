"""Scoring every cell of the space against scoring one cell after the other.

``python benchmarks/whole_space.py [--images 256] [--cells 150]``

The one-by-one evaluation is timed on a sample of cells and scaled to all 15,625. Both use one
process of one thread, the same weights and the same images; that they agree is checked too.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hanas.core import plugins
from hanas.data.batches import load_split
from hanas.data.images import SPLITS, ImageData, save_images
from hanas.data.tables.metric_tables import NB201
from hanas.proxies._proxy import Inputs, Work
from hanas.training.epochs import evaluate
from hanas.training.supernets import Supernet, save_supernet

NETWORK = {"skeleton": "pooled", "channels": 8, "cells": 1, "batch_norm": "batch"}


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--cells", type=int, default=150)
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = options.images
        images = random.integers(0, 256, (3 * count, 16, 16, 3)).astype(np.uint8)
        splits = {split: np.arange(n * count, (n + 1) * count) for n, split in enumerate(SPLITS)}
        labels = np.arange(3 * count, dtype=np.int64) % 10
        data = ImageData(images, labels, tuple("0123456789"), splits, ())
        save_images(data, folder / "images.pt")
        network = NB201.supernet(10, NETWORK)
        weights = network.state_dict()
        supernet = Supernet("nb201", 10, NETWORK, None, weights, torch.zeros(6, 5))
        save_supernet(supernet, folder / "weights.pt")

        validation = load_split(data, "validation").take(count)
        sample = random.choice(15_625, options.cells, replace=False)
        genes = NB201.all_genes()[sample].tolist()
        started = time.perf_counter()
        one_by_one = [evaluate(network, lambda x, g=g: network(x, g), validation)[0] for g in genes]
        scaled = (time.perf_counter() - started) * 15_625 / options.cells

        started = time.perf_counter()
        settings = {"kind": "supernet", "supernet": "untrained", "images": count, "device": "cpu"}
        proxy = plugins.plugin("proxies", "supernet").read(settings)
        inputs = Inputs(weights=folder / "weights.pt", images=folder / "images.pt")
        work = Work(folder / "unfinished", 1, lambda line: None)
        table = proxy.score(NB201, inputs, work)
        whole = time.perf_counter() - started
        found = table["cross_entropy"].to_numpy()[sample]
        worst = np.abs(found - one_by_one).max()
    print(f"whole space: {whole:.0f} s; one by one: {scaled:.0f} s; ratio {scaled / whole:.1f}")
    print(f"largest difference of a cross-entropy among {options.cells} cells: {worst:.1e}")


if __name__ == "__main__":
    main()
