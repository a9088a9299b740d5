"""Draw what a search evaluated in several generations, and all of them as an animation."""

import time

from hanas.core.files import read_parquet, write_parquet
from hanas.report.figures import generations, points, style
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    front = settings["front"]
    plotted = generations.table(
        points.read_space(settings), (front["search_label"], read_parquet(front["history"]))
    )
    write_parquet(plotted, snakemake.output.data)
    said = points.words(settings)
    made = generations.draw(plotted, said)
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    generations.animate(plotted, said, snakemake.output.gif)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
