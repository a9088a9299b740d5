"""Train a weight-sharing network and name the architecture that it found."""

import time
from pathlib import Path

from hanas.study.jobs import logged, write_facts
from hanas.training.supernets import train_supernet

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = {**snakemake.params.cfg, "threads": snakemake.threads}
    found = train_supernet(
        settings,
        snakemake.input.images,
        weights=snakemake.output.weights,
        history=snakemake.output.history,
        found=snakemake.output.found,
        # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
        checkpoint=Path(snakemake.output.weights).with_name("checkpoint.pt"),
    )
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={"images": snakemake.input.images},
        outputs=snakemake.output,
        started=started,
        **found,
    )
