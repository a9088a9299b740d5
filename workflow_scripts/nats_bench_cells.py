"""Read every cell of NATS-Bench once, for all data sets."""

import time
from pathlib import Path

from hanas.benchmarks.nats_bench import read_cells
from hanas.core.files import write_parquet
from hanas.spaces import nb201
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    table = read_cells(Path(snakemake.input.folder), nb201.all_texts())
    write_parquet(table, snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={},
        outputs=snakemake.output,
        started=started,
        sources=["benchmark: NATS-Bench v1.0 topology"],
        files_sha256=table["files_sha256"].iloc[0],
        architectures=table["arch"].nunique(),
    )
