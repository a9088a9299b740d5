"""Lay out the fronts of one device to choose from, as a table and in plain words."""

from pathlib import Path

from hanas.core.files import write_csv
from hanas.fronts.decisions import decision_table, in_words
from hanas.fronts.otherwise import Trained, beside_front
from hanas.fronts.rows import Row
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input)
    trained = [Trained.read(**each) for each in cfg["trained"]]
    table = beside_front(decision_table(Row(**row) for row in cfg["rows"]), trained)
    write_csv(table, snakemake.output.csv)
    words = in_words(table, searches=cfg["in_words"], trained=trained)
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
