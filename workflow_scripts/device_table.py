"""Read, or predict from a few measurements, the latency and energy of every architecture."""

import time
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    space = plugins.space(names.space)
    if snakemake.input.get("predictor"):
        from hanas.devices.prediction import predicted_tables, predictor

        table = predicted_tables.device_table(predictor.load(snakemake.input.predictor), space)
    else:
        table = plugins.load("devices", settings["kind"]).measure(
            space.all_texts(),
            space=names.space,
            dataset=names.dataset,
            settings=settings,
            root=Path(snakemake.resources.data_folder),
        )
    write_parquet(table, snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={Path(file).name: file for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(table["source"])),
        architectures=len(table),
        infeasible=int((~table["feasible"]).sum()),
    )
