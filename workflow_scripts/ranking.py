"""Measure how well every proxy ranks on every task."""

import time

from hanas.core.files import write_csv
from hanas.fronts.proxy_quality import ranking_table
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    write_csv(ranking_table(settings["rows"]), snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
