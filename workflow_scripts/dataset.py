"""Read an image data set, check it and keep it as one file."""

import time
from pathlib import Path

from hanas.core import plugins
from hanas.data.images import save_images
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    images = plugins.load("datasets", settings["kind"]).load(
        Path(snakemake.resources.data_folder), settings, downloads=Path("results/downloads")
    )
    save_images(images, snakemake.output.images)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs={},
        outputs=snakemake.output,
        started=started,
        sources=list(images.sources),
        classes=list(images.classes),
        images={split: len(indices) for split, indices in images.splits.items()},
    )
