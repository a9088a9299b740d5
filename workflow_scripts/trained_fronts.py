"""Lay out the fronts of what was trained when the found ones of one device were peeled."""

import time

from hanas.core.files import write_csv
from hanas.core.settings import from_mapping
from hanas.fronts.decisions import decision_table
from hanas.fronts.peeling import PeelingSettings
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    peeling = from_mapping(PeelingSettings, settings["peeling"], "evaluation.peeling")
    write_csv(decision_table(settings["rows"], peeling), snakemake.output.table)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
