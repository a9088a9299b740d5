"""Training steps of each trainer against the same steps of a plain implementation, on this CPU.

``python benchmarks/training_steps.py [--skeleton standard --channels 16 --cells 5 --side 32]``

Both take turns in one process of one thread. Printed: images a second (the median of the turns) and
their ratio. The plain steps do the same work: forward, backward, clipping, SGD, and for darts and
gdas the step of the architecture weights.
"""

import argparse
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from plain import PlainNetwork, one_hot

from hanas.core import plugins
from hanas.data.batches import Batch
from hanas.data.tables.metric_tables import NB201
from hanas.spaces.networks.cell import TRANSITIONS
from hanas.training.supernets import prepare


def toy_run(trainer: str, options: argparse.Namespace, folder: str):
    """Return a training of ours on random images."""
    from pathlib import Path

    from hanas.data.images import SPLITS, ImageData, save_images

    count = options.batch * options.steps
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (3 * count, options.side, options.side, 3)).astype(np.uint8)
    labels = np.arange(3 * count, dtype=np.int64) % 10
    splits = {name: np.arange(n * count, (n + 1) * count) for n, name in enumerate(SPLITS)}
    file = Path(folder) / "random.pt"
    save_images(ImageData(images, labels, tuple("0123456789"), splits, ()), file)
    settings = {
        "dataset": "random",
        "trainer": trainer,
        "network": {
            "skeleton": options.skeleton,
            "channels": options.channels,
            "cells": options.cells,
        },
        "training": {"batch_size": options.batch},
        **({"architecture": {"straight_through": "sampled"}} if trainer == "gdas" else {}),
    }
    return prepare(plugins.plugin("trainers", trainer).read(settings), file)


def plain_steps(trainer: str, run, options: argparse.Namespace):
    """Return a function that makes the step of a number with the plain network."""
    network = PlainNetwork(
        10, skeleton=options.skeleton, channels=options.channels, cells=options.cells
    )
    alphas = torch.zeros(6, 5, requires_grad=True)
    sgd = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=5e-4, nesterov=True)
    adam = torch.optim.Adam([alphas], 3e-4, (0.5, 0.999), weight_decay=1e-3)
    random = torch.Generator().manual_seed(0)
    batches, validation = run.train_batches(0), run.validation_batches(0)

    def images_of(batch: Batch):
        return batch.images.contiguous(), batch.labels

    def gumbel():
        noise = -torch.log(-torch.log(torch.rand((6, 5), generator=random)))
        soft = F.softmax((F.log_softmax(alphas, dim=1) + noise) / 5.0, dim=1)
        genes = soft.argmax(dim=1)
        return (one_hot(genes) - soft.detach()) + soft, genes.tolist()

    def descend(logits, labels):
        sgd.zero_grad()
        F.cross_entropy(logits, labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5)
        sgd.step()

    def cells(count: int):
        return torch.randint(5, (count, 6), generator=random).tolist()

    def step(number: int) -> None:
        images, labels = images_of(batches(number))
        if trainer in ("rsps", "spos"):
            descend(network(images, cells(1)[0]), labels)
        elif trainer in ("fairness", "sandwich"):
            several = (
                cells(5) if trainer == "fairness" else [[3] * 6, [0, 0, 0, 1, 0, 0], *cells(2)]
            )
            sgd.zero_grad()
            for genes in several:
                F.cross_entropy(network(images, genes), labels).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5)
            sgd.step()
        else:
            other, other_labels = images_of(validation(number))
            if trainer == "darts":
                logits = network.mixture(other, F.softmax(alphas, dim=1))
            else:
                weights, genes = gumbel()
                logits = network.sampled(other, weights, genes)
            # Of the architecture weights alone, as ours: the other gradients are not needed.
            (alphas.grad,) = torch.autograd.grad(F.cross_entropy(logits, other_labels), [alphas])
            adam.step()
            if trainer == "darts":
                descend(network.mixture(images, F.softmax(alphas.detach(), dim=1)), labels)
            else:
                weights, genes = gumbel()
                descend(network.sampled(images, weights.detach(), genes), labels)

    return step


def main() -> None:
    """Print a line for each trainer."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skeleton", choices=list(TRANSITIONS), default="pooled_3x3")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30, help="in each turn")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assert len(NB201.edges) == 6
    print("| trainer | hanas, images/s | plain, images/s | ratio |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for trainer in plugins.names("trainers"):
            run = toy_run(trainer, options, folder)
            batches = run.train_batches(0)
            ours = run.trainer.begin_epoch(run, 0)
            steps = {
                "hanas": lambda number, ours=ours, batches=batches: ours(number, batches(number)),
                "plain": plain_steps(trainer, run, options),
            }
            speeds: dict[str, list[float]] = {name: [] for name in steps}
            for turn in range(options.turns + 1):
                for name, step in steps.items():
                    started = time.perf_counter()
                    for number in range(options.steps):
                        step(number)
                    taken = time.perf_counter() - started
                    if turn:  # the first warms up
                        speeds[name].append(options.steps * options.batch / taken)
            hanas, plain = (statistics.median(speeds[name]) for name in ("hanas", "plain"))
            print(f"| {trainer} | {hanas:.0f} | {plain:.0f} | {hanas / plain:.2f} |", flush=True)


if __name__ == "__main__":
    main()
