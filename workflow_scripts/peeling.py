"""Peel every found front of one device with accuracies that are looked up."""

import time

from hanas.core.files import write_csv
from hanas.core.settings import from_mapping
from hanas.fronts.peeled_runs import peeling_table
from hanas.fronts.peeling import PeelingSettings
from hanas.fronts.runs import read_runs
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    peeling = from_mapping(PeelingSettings, settings["peeling"], "evaluation.peeling")
    layers = peeling_table(list(read_runs(settings["rows"])), peeling)
    write_csv(layers, snakemake.output.layers)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
