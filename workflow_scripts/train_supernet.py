"""Train a weight-sharing network and name the architecture that it found."""

from pathlib import Path

from hanas.core import plugins
from hanas.study.jobs import job
from hanas.training.supernets import train_supernet

with job(snakemake) as facts:
    settings, output = snakemake.params.cfg["supernet"], snakemake.output
    found = train_supernet(
        plugins.plugin("trainers", settings["trainer"]).read(settings),
        snakemake.input.images,
        weights=output.weights,
        history=output.history,
        found=output.found,
        # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
        checkpoint=Path(output.weights).with_name("checkpoint.pt"),
    )
    facts.update(found)
