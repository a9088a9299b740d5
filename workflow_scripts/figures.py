"""Draw all figures of a task on a device."""

from hanas.core.files import read_csv, read_parquet
from hanas.fronts.rows import Row
from hanas.report.figures import draw_task
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input.files)
    draw_task(
        [Row(**row) for row in cfg["rows"]],
        front_search=cfg["front_search"],
        searches_beside=cfg["searches_beside"],
        convergence=read_parquet(snakemake.input.convergence),
        budget=read_csv(snakemake.input.budget),
        layers=read_csv(snakemake.input.layers),
        files=dict(snakemake.output.items()),
    )
