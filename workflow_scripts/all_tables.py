"""Join the tables of all devices."""

import time

import pandas as pd

from hanas.core.files import read_csv, write_csv
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    tables = [read_csv(file) for file in snakemake.input]
    write_csv(pd.concat(tables, ignore_index=True), snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
