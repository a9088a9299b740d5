"""Read the true accuracy of every architecture."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, names = snakemake.params.cfg["benchmark"], snakemake.wildcards
    benchmark = plugins.plugin("benchmarks", cfg["kind"]).read(cfg)
    table = benchmark.accuracies(
        plugins.enumerable_space(names.space, f"benchmarks.{names.space}"),
        names.dataset,
        Path(snakemake.resources.data_folder),
        snakemake.input.get("cells"),
    )
    write_parquet(table, snakemake.output.table)
    facts.update(sources=sorted(set(table["source"])), architectures=len(table))
