"""Measure some architectures on a device, or read them, and fit what predicts all others."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import BETWEEN, write_csv, write_parquet
from hanas.data.images import load_images
from hanas.devices._device import Campaign
from hanas.devices.prediction import campaign, predictor
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, names = snakemake.params.cfg, snakemake.wildcards
    name, images = names.device, Path(snakemake.input.images)
    device = plugins.plugin("devices", cfg["device"]["kind"]).read(cfg["device"], f"devices.{name}")
    space = plugins.space(cfg["space"])
    network = space.deployed.read(cfg["network"])
    if "campaign" in cfg:
        measured, fitted, quality = campaign.run(
            Campaign.read(cfg["campaign"], f"devices.{name}.campaign"),
            device,
            space=cfg["space"],
            network=network,
            images=images,
            # Not an output: what was measured once is of use to every later measuring.
            workspace=Path("results", "measurements", name, "kept"),
            log=print,
        )
    else:
        size = load_images(images).images.shape[1:3]
        measured, fitted, quality = device.fitted(
            space,
            names.dataset,
            Path(snakemake.resources.data_folder),
            network=space.for_images(network, size, None, images),
            log=print,
        )
    write_parquet(measured, snakemake.output.measured)
    predictor.save(fitted, snakemake.output.predictor)
    write_csv(quality, snakemake.output.quality)
    facts.update(
        sources=sorted({*measured["source"], fitted.source}),
        measured=len(measured),
        unstable=int(quality["unstable"].iloc[0]) if "unstable" in quality else None,
        infeasible=int((~measured["feasible"]).sum()),
        warnings=list(filter(None, quality["warnings"].iloc[0].split(BETWEEN))),
    )
