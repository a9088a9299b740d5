"""Join the tables of all devices."""

import pandas as pd

from hanas.core.files import read_csv, write_csv
from hanas.study.jobs import job

with job(snakemake):
    tables = [read_csv(file) for file in snakemake.input.tables]
    write_csv(pd.concat(tables, ignore_index=True), snakemake.output.table)
