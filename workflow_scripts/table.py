"""Put the baselines and the searches of one device side by side."""

import time
from pathlib import Path

from hanas.core.files import replacing
from hanas.report import table_formats, tables
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    table = tables.device_table(
        settings["rows"],
        device=settings["device"],
        representative=settings["representative"],
    )
    with replacing(snakemake.output.csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    Path(snakemake.output.md).write_text(table_formats.markdown(table), encoding="utf-8")
    Path(snakemake.output.tex).write_text(table_formats.latex(table), encoding="utf-8")
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
