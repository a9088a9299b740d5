"""List what of trained models a Rockchip NPU cannot run, and how accurate they are on it."""

from pathlib import Path

from hanas.core.files import read_csv, write_csv
from hanas.devices.rknn import RknnDevice
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg = snakemake.params.cfg
    device = RknnDevice.read(cfg["device"], f"devices.{snakemake.wildcards.device}")
    accuracies, fallbacks = device.report(
        read_csv(snakemake.input.accuracies),
        Path(snakemake.input.models),
        snakemake.input.images,
        resolution=cfg["resolution"],
        calibration_images=cfg["calibration_images"],
        simulated_images=cfg["simulated_images"],
        log=print,
    )
    write_csv(accuracies, snakemake.output.accuracies)
    write_csv(fallbacks, snakemake.output.fallbacks)
    facts.update(sources=sorted(set(accuracies["source"])))
