"""Lay out the fronts of one device to choose from, as a table and in plain words."""

import time
from pathlib import Path

from hanas.core.files import write_csv
from hanas.fronts.decision_words import in_words
from hanas.fronts.decisions import decision_table
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    table = decision_table(settings["rows"])
    write_csv(table, snakemake.output.csv)
    words = in_words(table, searches=settings["in_words"])
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
