"""Score every architecture of a space without training it."""

import time
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    output = Path(snakemake.output.table)
    table = plugins.load("proxies", settings["kind"]).score(
        space=settings["space"],
        settings=settings,
        weights=snakemake.input.get("weights"),
        images=snakemake.input.get("images"),
        tables=snakemake.input.get("tables"),
        accuracies=snakemake.input.get("accuracies"),
        threads=snakemake.threads,
        # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
        workspace=output.with_name(f".{output.stem}.unfinished"),
    )
    write_parquet(table, output)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(table["source"])),
        architectures=len(table),
    )
