"""What ``first_scale`` is worth in short trainings of a deep network, over several seeds.

``python benchmarks/first_scale.py --images results/datasets/cifar10.pt [--seeds 3 --epochs 2]``

The network is the deepest of mobile_i, every layer the bottleneck ``--operation``, at width .25 and
16x16 pixels, trained as ``config/rk3588.yaml`` trains its picks. Both scales take turns. Printed:
test accuracy of each training, means with the standard deviation, and milliseconds a step.
"""

import argparse
import statistics
import tempfile

from hanas.core import plugins
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

SCALES = (1.0, 0.1)


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    parser.add_argument("--operation", default="mb3_5x5")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=96)
    options = parser.parse_args()
    space = plugins.space("mobile_i")
    arch = space.to_text([space.operations.index(options.operation)] * len(space.choices))
    found: dict[float, list[float]] = {scale: [] for scale in SCALES}
    for seed in range(options.seeds):
        for scale in SCALES:
            settings = FromScratch.read(
                {
                    "space": "mobile_i",
                    "seed": seed,
                    "images": "train",
                    "network": {"width": 0.25, "first_scale": scale},
                    "training": {
                        "epochs": options.epochs,
                        "batch_size": options.batch_size,
                        "schedule": "linear",
                        "weight_decay": 0.0003,
                        "resolution": 16,
                        "crop_padding": 2,
                    },
                    "train_on": "cpu",
                }
            )
            with tempfile.TemporaryDirectory() as folder:
                metrics, history, _ = retrain([arch], settings, options.images, checkpoints=folder)
            percent, images = metrics["test_accuracy_percent"][0], metrics["train_images"][0]
            found[scale].append(float(percent))
            steps = options.epochs * -(-images // options.batch_size)
            step_ms = 1000 * history["seconds"].iloc[-1] / steps
            print(f"seed {seed}, first_scale {scale}: {percent:.2f} %, {step_ms:.1f} ms a step")
    for scale, percents in found.items():
        spread = statistics.stdev(percents) if len(percents) > 1 else float("nan")
        print(f"first_scale {scale}: {statistics.mean(percents):.2f} ± {spread:.2f} %")


if __name__ == "__main__":
    main()
