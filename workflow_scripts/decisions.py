"""Lay out the fronts of one device to choose from, as a table and in plain words."""

from pathlib import Path

from hanas.core.files import write_csv
from hanas.fronts.decisions import decision_table, in_words
from hanas.fronts.rows import Row
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input)
    table = decision_table(Row(**row) for row in cfg["rows"])
    write_csv(table, snakemake.output.csv)
    words = in_words(table, searches=cfg["in_words"])
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
