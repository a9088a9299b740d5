"""Read the true accuracy of every architecture."""

import time
from pathlib import Path

from hanas import plugins
from hanas.files import write_parquet
from hanas.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    table = plugins.load("benchmarks", settings["kind"]).accuracies(
        plugins.load("spaces", names.space).all_texts(),
        space=names.space,
        dataset=names.dataset,
        settings=settings,
        root=Path(snakemake.resources.data_folder),
    )
    write_parquet(table, snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={Path(file).name: file for file in snakemake.input.files if Path(file).is_file()},
        started=started,
        sources=sorted(set(table["source"])),
        architectures=len(table),
    )
