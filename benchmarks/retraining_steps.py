"""CPU milliseconds a step of trainings from scratch: to say what a study's retrainings take.

``python benchmarks/retraining_steps.py [--width 0.25 --side 16 --batch 96 --steps 10]``

Random members of the layer-wise spaces, their largest, and the published networks at three widths,
on one thread. CPU time, so that other work on the machine disturbs little; an epoch has as many
steps as the training images (CIFAR-10: 25,000, ``images: train``) have batches.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from hanas.core import plugins
from hanas.data.batches import Batch
from hanas.spaces.networks import published
from hanas.training.epochs import WeightStepper
from hanas.training.settings import RetrainingTraining

WIDTHS = (0.25, 0.5, 1.0)


def step_ms(space, genes, options: argparse.Namespace) -> float:
    """Return the median CPU time of a step."""
    network = {"width": options.width, "batch_norm": "running", "resolution": options.side}
    made = space.build(genes, 10, network).to(memory_format=torch.channels_last)
    stepper = WeightStepper(list(made.parameters()), RetrainingTraining())
    images = torch.randn(options.batch, 3, options.side, options.side)
    labels = torch.arange(options.batch) % 10
    batch = Batch(images.contiguous(memory_format=torch.channels_last), labels)
    times = []
    for _ in range(options.steps + 2):
        begun = time.process_time()
        stepper.step(batch, made)
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times[2:])


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps = 25_000 // options.batch

    def tell(name: str, milliseconds: float) -> None:
        seconds = milliseconds * steps / 1000
        print(f"{name:28} {milliseconds:6.1f} ms a step, {seconds:5.1f} s an epoch", flush=True)

    for name in ("shuffle", "shuffle_i", "mobile_i"):
        space = plugins.space(name)
        drawn = space.sample(3, np.random.default_rng(0))
        random = statistics.mean(step_ms(space, genes, options) for genes in drawn)
        tell(f"{name}, random", random)
        tell(f"{name}, largest", step_ms(space, space.largest, options))
    for name in published.NAMES:
        for width in WIDTHS:
            arch = f"{name}@{width:g}"
            space = published.space_of(arch, "mobile_i")
            tell(arch, step_ms(space, space.from_text(arch), options))


if __name__ == "__main__":
    main()
