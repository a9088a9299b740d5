"""List every architecture of a space."""

import time

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.report.tables import space_table
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    table = space_table(plugins.enumerable_space(settings["space"], "results/spaces"))
    write_parquet(table, snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={},
        outputs=snakemake.output,
        started=started,
        architectures=len(table),
    )
