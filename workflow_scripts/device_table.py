"""Read, or predict from a few measurements, the latency and energy of every architecture."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.study.jobs import job

with job(snakemake) as facts:
    names = snakemake.wildcards
    if snakemake.input.get("predictor"):
        from hanas.devices.prediction import predictor

        table = predictor.table(predictor.load(snakemake.input.predictor))
    else:
        settings = snakemake.params.cfg["device"]
        device = plugins.plugin("devices", settings["kind"]).read(
            settings, f"devices.{names.device}"
        )
        root = Path(snakemake.resources.data_folder)
        table = device.table(plugins.space(names.space), names.dataset, root)
    write_parquet(table, snakemake.output.table)
    facts.update(
        sources=sorted(set(table["source"])),
        architectures=len(table),
        infeasible=int((~table["feasible"]).sum()),
    )
