"""Draw what a search believed beside what is true."""

import time

from hanas.core.files import read_parquet, write_parquet
from hanas.report.figures import points, proxy_and_true, style
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    front = settings["front"]
    plotted = proxy_and_true.table(
        points.read_space(settings),
        (front["search_label"], read_parquet(front["history"])),
        accuracy_floor_percent=settings["accuracy_floor_percent"],
    )
    write_parquet(plotted, snakemake.output.data)
    made = proxy_and_true.draw(plotted, points.words(settings))
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
