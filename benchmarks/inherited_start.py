"""What ``start: inherited`` is worth: fine-tuned from a supernet beside trained from scratch.

``python benchmarks/inherited_start.py --images results/datasets/cifar10.pt [--space mobile_i]``

A small supernet is trained for ``--supernet-steps`` by single paths, or one is given, such as that
of ``config/rk3588.yaml`` (``results/supernets/mobile_i/weights.pt``); then random architectures of
the space, each ``--steps`` from scratch and from its part of the supernet: equal steps, so equal
minutes, of equal networks, with each learning rate of ``--rates``. Printed: test accuracy of each
training, means with the standard deviation over architectures and seeds, and minutes.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from hanas.core import plugins
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch
from hanas.training.supernets import train_supernet

NETWORKS = {
    "nb201": {"skeleton": "pooled_3x3", "channels": 8, "cells": 1},
    "mobile_i": {"width": 0.25, "batch_norm": "batch_affine"},
}
#: Such deep supernets learn within minutes near the identity only; picks from scratch, too.
FIRST_SCALE = {"nb201": {}, "mobile_i": {"first_scale": 0.1}}
PICTURES = {"batch_size": 64, "resolution": 16, "crop_padding": 2, "schedule": "linear"}


def lasting(steps: int) -> dict[str, int]:
    """Return how long to train; an epoch of the training images of CIFAR-10 has 390 steps."""
    epochs = -(-steps // 390)
    return {"epochs": epochs, "batches_per_epoch": steps // epochs}


def train_shared(space: str, steps: int, images: str, folder: Path) -> float:
    """Train the supernet of a space into ``folder``; return the minutes that it took."""
    started = time.monotonic()
    name = "rsps" if space == "nb201" else "spos"
    trainer = plugins.plugin("trainers", name).read(
        {
            "dataset": "cifar10",
            "trainer": name,
            "space": space,
            "network": NETWORKS[space] | FIRST_SCALE[space],
            "training": {**PICTURES, **lasting(steps), "learning_rate": 0.1},
            "candidates": 2,
            "candidate_images": 256,
            "must_learn": False,
            "device": "cpu",
        }
    )
    train_supernet(
        trainer,
        images,
        weights=folder / "weights",
        history=folder / "history",
        found=folder / "found",
        checkpoint=folder / "checkpoint",
    )
    return (time.monotonic() - started) / 60


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    parser.add_argument("--space", choices=NETWORKS, default="nb201")
    parser.add_argument("--supernet", help="weights of a trained one, with the same network")
    parser.add_argument("--supernet-steps", type=int, default=2340)
    parser.add_argument("--steps", type=int, nargs="+", default=[130, 390])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1])
    parser.add_argument("--architectures", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    space = plugins.space(options.space)
    genes = space.sample(options.architectures, np.random.default_rng(0))
    archs = [space.to_text(row) for row in genes]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if options.supernet:
            shutil.copyfile(options.supernet, folder / "weights")
        else:
            minutes = train_shared(options.space, options.supernet_steps, options.images, folder)
            print(f"supernet: {options.supernet_steps} steps, {minutes:.2f} minutes")
        for steps in options.steps:
            for rate in options.rates:
                for start in ("scratch", "inherited"):
                    _compare(options, archs, folder, steps, rate, start)


def _compare(options, archs, folder: Path, steps: int, rate: float, start: str) -> None:
    first = FIRST_SCALE[options.space] if start == "scratch" else {}
    settings = FromScratch.read(
        {
            "space": options.space,
            "network": {**NETWORKS[options.space], "batch_norm": "running", **first},
            "training": {
                **PICTURES,
                **lasting(steps),
                "learning_rate": rate,
                "weight_decay": 0.0003,
            },
            "train_on": "cpu",
        }
    )
    supernet, started = folder / "weights" if start == "inherited" else None, time.monotonic()
    percents = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as kept:
            metrics, _, _ = retrain(
                archs,
                settings.model_copy(update={"seed": seed}),
                options.images,
                checkpoints=kept,
                supernet=supernet,
                log=lambda line: None,
            )
        percents += metrics["test_accuracy_percent"].tolist()
    minutes = (time.monotonic() - started) / 60
    each = ", ".join(f"{percent:.2f}" for percent in percents)
    mean, spread = statistics.mean(percents), statistics.stdev(percents)
    print(
        f"{steps} steps, learning rate {rate:g}, {start}: {mean:.2f} ± {spread:.2f} % ({each}), "
        f"{minutes:.2f} minutes",
        flush=True,
    )


if __name__ == "__main__":
    main()
