"""Train a weight-sharing network and name the architecture that it found."""

from pathlib import Path

from hanas.core import plugins
from hanas.study.jobs import job
from hanas.training.supernets import train_supernet

with job(snakemake) as facts:
    cfg = snakemake.params.cfg["supernet"]
    trainer = plugins.plugin("trainers", cfg["trainer"]).read(cfg)
    facts |= train_supernet(
        trainer.model_copy(update={"threads": snakemake.threads}),
        snakemake.input.images,
        weights=snakemake.output.weights,
        history=snakemake.output.history,
        found=snakemake.output.found,
        # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
        checkpoint=Path(snakemake.output.weights).with_name("checkpoint.pt"),
    )
