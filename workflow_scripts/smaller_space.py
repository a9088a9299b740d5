"""Declare the space of a second stage: what the lens on the first one leaves of it."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import read_csv
from hanas.fronts.lens import proposal
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg = snakemake.params.cfg
    kept = proposal.kept_of_table(read_csv(snakemake.input.lens), keep=cfg["keep"])
    declared = proposal.smaller(plugins.space(cfg["space"]), kept)
    written = proposal.section({cfg["name"]: declared})
    Path(snakemake.output.declaration).write_text(written, encoding="utf-8")
    facts.update(kept=kept)
