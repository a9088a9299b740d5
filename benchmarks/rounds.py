"""How well latencies of this host repeat, measured in rounds and one model after the other.

Random networks of a layer-wise space are measured twice in each way. For each way: seconds of a
measuring, Spearman's correlation and the median relative difference of the two, the correlation
with FLOPs, and the share of models that are called unstable. Run it while the machine does other
work, too::

    python benchmarks/rounds.py --models 30 --space mobile_i --width 0.25 --side 16
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from hanas.core import plugins
from hanas.core.ranking import spearman_rho
from hanas.data.images import SPLITS, ImageData, save_images
from hanas.devices.host import HostDevice
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.models import untrained

WAYS = {"rounds": "low_quantile", "400 passes, mean": "mean", "400 passes, median": "median"}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="How well latencies of this host repeat.")
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--space", default="mobile_i")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--side", type=int, default=16)
    options = parser.parse_args()
    space = plugins.space(options.space)
    network = space.deployed.read({"width": options.width})
    genes = space.sample(options.models, np.random.default_rng(0))
    archs = [space.to_text(row) for row in genes]
    print("| way | seconds | Spearman of two | median difference | FLOPs | unstable |")
    print("|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        images = Path(name) / "images.pt"
        _save_images(images, options.side)
        size = (options.side, options.side)
        flops = space.flops(genes, network=space.for_images(network, size, None, images).params())
        for way, statistic in WAYS.items():
            device = HostDevice.read({"kind": "host", "statistic": statistic, "again": 0})
            models = untrained(
                archs, space=options.space, device=device, network=network, images=images
            )
            tables, started = [], time.monotonic()
            for number in range(2):
                workspace = Path(name) / f"{statistic} {number}"
                tables.append(measure_models(models, device, workspace=workspace, log=_quiet))
            seconds = (time.monotonic() - started) / 2
            one, other = (table["latency_ms"].to_numpy() for table in tables)
            off = np.median(np.abs(one - other) / ((one + other) / 2))
            unstable = np.mean([(~table["stable"]).mean() for table in tables])
            print(
                f"| {way} | {seconds:.0f} | {spearman_rho(one, other):.3f} | {off:.1%} | "
                f"{spearman_rho(flops, one):.3f} | {unstable:.0%} |",
                flush=True,
            )


def _quiet(line: str) -> None:
    pass


def _save_images(path: Path, side: int) -> None:
    """Write made-up images: only their size matters here."""
    rng, splits = np.random.default_rng(0), np.split(np.arange(60), [40, 50])
    save_images(
        ImageData(
            images=rng.integers(0, 256, (60, side, side, 3), dtype=np.uint8),
            labels=np.arange(60) % 10,
            classes=tuple(map(str, range(10))),
            splits=dict(zip(SPLITS, splits, strict=True)),
            sources=(),
        ),
        path,
    )


if __name__ == "__main__":
    main()
