"""Measure how well every proxy ranks on every task."""

import time

from hanas.files import write_csv
from hanas.jobs import logged, write_facts
from hanas.proxy_quality import ranking_table

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    write_csv(ranking_table(settings["rows"]), snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
