"""List what of trained models a Rockchip NPU cannot run, and how accurate they are on it."""

from pathlib import Path

from hanas.core.files import read_csv, write_csv
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.devices.rknn import RknnDevice
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, images = snakemake.params.cfg, load_images(snakemake.input.images)
    train, test = (load_split(images, s, resolution=cfg["resolution"]) for s in ("train", "test"))
    device = RknnDevice.read(cfg["device"], f"devices.{snakemake.wildcards.device}")
    accuracies, fallbacks = device.report(
        read_csv(snakemake.input.accuracies),
        Path(snakemake.input.models),
        train.take(cfg["calibration_images"]),
        test.take(cfg["simulated_images"]),
        log=print,
    )
    write_csv(accuracies, snakemake.output.accuracies)
    write_csv(fallbacks, snakemake.output.fallbacks)
    facts.update(sources=sorted(set(accuracies["source"])))
