"""Write trained networks as ONNX, in float32 and INT8, and test both."""

import time
from pathlib import Path

from hanas.core.files import read_parquet, write_csv
from hanas.deploy.exporting import export_retrained
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    metrics = read_parquet(snakemake.input.metrics)
    if "on_trained_front" in metrics:  # of a peeled front, the others were only tried
        metrics = metrics[metrics["on_trained_front"].to_numpy(dtype=bool)]
    table = export_retrained(
        snakemake.input.weights,
        metrics,
        snakemake.input.images,
        settings=settings,
        folder=snakemake.output.models,
        threads=snakemake.threads,
        log=print,
    )
    write_csv(table, snakemake.output.accuracies)
    models = sorted(file for file in Path(snakemake.output.models).rglob("*") if file.is_file())
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=[snakemake.output.accuracies, *map(str, models)],
        started=started,
        sources=sorted(set(table["sources"])),
    )
