"""Draw the trained models of several spaces, error against latency on a device."""

import time

from hanas.core.files import read_csv, write_parquet
from hanas.report.figures import front_spaces, style
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    plotted = front_spaces.table(
        [(row["label"], row["published"], read_csv(row["file"])) for row in settings["models"]],
        device=settings["device"],
    )
    write_parquet(plotted, snakemake.output.data)
    made = front_spaces.draw(plotted, device=settings["device"])
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
        sources=sorted({*plotted["accuracy_source"], *plotted["latency_source"]}),
    )
