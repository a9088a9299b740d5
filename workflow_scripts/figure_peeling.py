"""Draw what training the layers behind the found fronts brings."""

import time

from hanas.core.files import read_csv, write_parquet
from hanas.fronts.peeled_runs import curve_table
from hanas.report.figures import peeling, points, style
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    plotted = peeling.table(
        curve_table(read_csv(snakemake.input.layers)),
        [(row["proxy"], row["proxy_label"]) for row in settings["proxies"]],
        task=settings["task"],
        search=settings["search"],
    )
    write_parquet(plotted, snakemake.output.data)
    made = peeling.draw(plotted, points.words(settings), settings["search_label"])
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
    )
