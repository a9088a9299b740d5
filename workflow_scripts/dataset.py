"""Read an image data set, check it and keep it as one file."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.progress import print_at_once
from hanas.data.class_accuracy import class_sizes, told_sizes
from hanas.data.images import save_images
from hanas.study.jobs import job, unchanged

with job(snakemake) as facts:
    cfg, data = snakemake.params.cfg["dataset"], Path(snakemake.resources.data_folder)
    dataset = plugins.plugin("datasets", cfg["kind"]).read(cfg)
    with unchanged(dataset, data, snakemake.params.cfg.get("state")):
        images = dataset.load(data, Path("results/downloads"))
    save_images(images, snakemake.output.images)
    sizes = class_sizes(images)
    print_at_once(told_sizes(sizes))
    for warning in images.warnings:
        print_at_once(f"Warning: {warning}")
    facts.update(
        sources=list(images.sources),
        classes=list(images.classes),
        images={split: len(indices) for split, indices in images.splits.items()},
        images_of_classes=sizes,
        value_range=images.value_range,
        warnings=list(images.warnings),
    )
