"""Put a device's table beside the published one."""

import time
from pathlib import Path

from hanas.core.files import read_csv, write_csv
from hanas.report.thesis import comparison_markdown, comparison_table
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    comparison = comparison_table(
        read_csv(snakemake.input.table),
        read_csv(snakemake.input.published),
        device=settings["device"],
        published_device=settings["published_device"],
        datasets=settings["datasets"],
    )
    write_csv(comparison, snakemake.output.csv)
    words = comparison_markdown(comparison, published_device=settings["published_device"])
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
    )
