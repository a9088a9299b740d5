"""Read an image data set, check it and keep it as one file."""

from pathlib import Path

from hanas.core import plugins
from hanas.data.class_accuracy import class_sizes, told_sizes
from hanas.data.images import save_images
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg = snakemake.params.cfg["dataset"]
    dataset = plugins.plugin("datasets", cfg["kind"]).read(cfg)
    images = dataset.load(Path(snakemake.resources.data_folder), Path("results/downloads"))
    save_images(images, snakemake.output.images)
    sizes = class_sizes(images)
    print(told_sizes(sizes))
    for warning in images.warnings:
        print(f"Warning: {warning}")
    facts.update(
        sources=list(images.sources),
        classes=list(images.classes),
        images={split: len(indices) for split, indices in images.splits.items()},
        images_of_classes=sizes,
        value_range=images.value_range,
        warnings=list(images.warnings),
    )
