"""Say what a second stage gained, whose space the lens on the first one has made smaller."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv
from hanas.fronts.lens import gained
from hanas.fronts.rows import Row
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg = located(snakemake.params.cfg, snakemake.input.files)
    rows = {stage: Row(**cfg["rows"][stage]) for stage in gained.STAGES}
    found = gained.table(rows)
    how_known = gained.known(rows, alike=cfg["alike"])
    counts = {stage: plugins.space(row.space).count for stage, row in rows.items()}
    write_csv(found, snakemake.output.csv)
    words = gained.page(rows, found, counts, how_known)
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
    facts.update(how_known.facts)
