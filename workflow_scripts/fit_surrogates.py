"""Fit small models to the tables of the study and judge them on cells that were not fitted."""

import time
from pathlib import Path

import torch

from hanas.benchmarks.surrogates.fitting import fit, targets_of
from hanas.benchmarks.surrogates.models import save
from hanas.core.files import read_parquet, replacing
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    torch.set_num_threads(1)  # more threads may add in another order
    accuracies = {Path(file).stem: read_parquet(file) for file in snakemake.input.accuracies}
    devices = {
        (Path(file).parts[-3], Path(file).stem): read_parquet(file)
        for file in snakemake.input.devices
    }
    bundle, quality = fit(
        targets_of(accuracies, devices),
        seed=settings["seed"],
        held_out=settings["held_out"],
        revision=settings["revision"],
    )
    save(bundle, snakemake.output.models)
    with replacing(snakemake.output.quality) as temporary:
        quality.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
        sources=sorted(set(quality["source"])),
    )
