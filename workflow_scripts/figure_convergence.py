"""Draw how soon each search comes how close to the true front."""

import time

from hanas.core.files import read_csv, read_parquet, write_parquet
from hanas.report.figures import convergence, points, style
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    plotted = convergence.table(
        read_parquet(snakemake.input.convergence),
        read_csv(snakemake.input.budget),
        [(row["search"], row["search_label"]) for row in settings["searches"]],
        task=settings["task"],
        proxy=settings["proxy"],
    )
    write_parquet(plotted, snakemake.output.data)
    made = convergence.draw(plotted, points.words(settings))
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
