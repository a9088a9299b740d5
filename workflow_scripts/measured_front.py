"""Measure a found front for real, beside what was predicted of it."""

import time
from pathlib import Path

from hanas.core.files import read_parquet, write_csv
from hanas.devices.prediction import predictor
from hanas.fronts import measured_fronts
from hanas.report.figures import measured_front, style
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    table = measured_fronts.measure(
        read_parquet(snakemake.input.history),
        predictor.load(snakemake.input.predictor),
        settings=settings,
        images=Path(snakemake.input.images),
        workspace=Path("results", "measurements", names.device, "kept"),
        log=print,
    )
    write_csv(table, snakemake.output.csv)
    made = measured_front.draw(
        table,
        device=names.device,
        task=names.task,
        proxy=settings["proxy_label"],
        search=settings["search_label"],
    )
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sorted({*table["measured_source"], *table["predicted_source"]}),
    )
