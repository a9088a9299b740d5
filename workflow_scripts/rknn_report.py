"""List what of trained models a Rockchip NPU cannot run, and how accurate they are on it."""

import time
from pathlib import Path

from hanas.core.files import read_csv, write_csv
from hanas.devices.measuring import rknn_reports
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    accuracies, fallbacks = rknn_reports.tables(
        read_csv(snakemake.input.accuracies),
        Path(snakemake.input.models),
        snakemake.input.images,
        settings=settings,
        log=print,
    )
    write_csv(accuracies, snakemake.output.accuracies)
    write_csv(fallbacks, snakemake.output.fallbacks)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(accuracies["source"])),
    )
