"""Measure trained models on a device."""

import time
from pathlib import Path

from hanas.core.files import read_csv, write_csv
from hanas.devices.measuring import measure as measuring
from hanas.devices.measuring import trained_models
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    models = read_csv(snakemake.input.accuracies)
    measured = measuring.measure_models(
        trained_models.writers(models, Path(snakemake.input.models), settings=settings),
        kind=settings["kind"],
        settings=settings,
        workspace=Path("results", "measurements", names.device, "kept"),
        log=print,
    )
    write_csv(measured.assign(number=models["number"].to_numpy()), snakemake.output.measured)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(measured["source"])),
    )
