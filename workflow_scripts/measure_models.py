"""Measure trained models on a device."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import read_csv, write_csv
from hanas.devices.measuring.measure import measure_models
from hanas.devices.measuring.models import trained
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, name = snakemake.params.cfg, snakemake.wildcards.device
    device = plugins.plugin("devices", cfg["device"]["kind"]).read(cfg["device"], f"devices.{name}")
    models = read_csv(snakemake.input.accuracies)
    measured = measure_models(
        trained(models, Path(snakemake.input.models), device, cfg["space"]),
        device,
        workspace=Path("results", "measurements", name, "kept"),
        log=print,
    )
    write_csv(measured.assign(number=models["number"].to_numpy()), snakemake.output.measured)
    facts.update(sources=sorted(set(measured["source"])))
