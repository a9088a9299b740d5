"""Read every cell of NATS-Bench once, for all data sets."""

from pathlib import Path

from hanas.benchmarks.nats_bench import read_cells
from hanas.core.files import write_parquet
from hanas.data.tables.metric_tables import NB201
from hanas.study.jobs import job

with job(snakemake) as facts:
    table = read_cells(Path(snakemake.input.folder), NB201.all_texts())
    write_parquet(table, snakemake.output.table)
    facts.update(
        sources=["benchmark: NATS-Bench v1.0 topology"],
        files_sha256=table["files_sha256"].iloc[0],
        architectures=table["arch"].nunique(),
    )
