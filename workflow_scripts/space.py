"""List every architecture of a space."""

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.report.tables import space_table
from hanas.study.jobs import job

with job(snakemake) as facts:
    space = plugins.enumerable_space(snakemake.params.cfg["space"], "results/spaces")
    table = space_table(space)
    write_parquet(table, snakemake.output.table)
    facts["architectures"] = len(table)
