"""Read the true accuracy of every architecture."""

import time
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    table = plugins.load("benchmarks", settings["kind"]).accuracies(
        plugins.space(names.space).all_texts(),
        space=names.space,
        dataset=names.dataset,
        settings=settings,
        root=Path(snakemake.resources.data_folder),
        **{key: file for key, file in snakemake.input.items() if key == "cells"},
    )
    write_parquet(table, snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(table["source"])),
        architectures=len(table),
    )
