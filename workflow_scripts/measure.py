"""Measure some architectures on a device, and fit what predicts all others."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv, write_parquet
from hanas.devices._device import Campaign
from hanas.devices.prediction import campaign, predictor
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, name = snakemake.params.cfg, snakemake.wildcards.device
    device = plugins.plugin("devices", cfg["device"]["kind"]).read(cfg["device"], f"devices.{name}")
    measured, fitted, quality = campaign.run(
        Campaign.read(cfg["campaign"], f"devices.{name}.campaign"),
        device,
        space=cfg["space"],
        network=plugins.space(cfg["space"]).deployed.read(cfg["network"]),
        images=Path(snakemake.input.images),
        # Not an output: what was measured once is of use to every later measuring of the device.
        workspace=Path("results", "measurements", name, "kept"),
        log=print,
    )
    write_parquet(measured, snakemake.output.measured)
    predictor.save(fitted, snakemake.output.predictor)
    write_csv(quality, snakemake.output.quality)
    facts.update(
        sources=sorted({*measured["source"], fitted.source}),
        measured=len(measured),
        unstable=int((~measured["stable"]).sum()),
        infeasible=int((~measured["feasible"]).sum()),
    )
