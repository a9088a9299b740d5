"""Put trained models together with their cards, and all that is known of them into a table."""

import shutil
import time
from pathlib import Path

from hanas.core.files import read_csv, read_parquet, write_csv
from hanas.deploy import model_tables
from hanas.deploy.model_cards import write_cards
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    exports = read_csv(snakemake.input.accuracies)
    latencies = [
        (device, read_parquet(file) if file.endswith(".parquet") else read_csv(file))
        for device, file in settings["latencies"].items()
    ]
    shutil.copytree(snakemake.input.models, snakemake.output.models, dirs_exist_ok=True)
    write_cards(
        exports,
        latencies,
        snakemake.input.images,
        settings=settings,
        folder=snakemake.output.models,
    )
    table = model_tables.table(exports, latencies, retraining=settings["retraining"])
    write_csv(table, snakemake.output.table)
    read = [snakemake.input.accuracies, snakemake.input.images, *snakemake.input.latencies]
    models = sorted(Path(snakemake.output.models).rglob("model.*"))
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in read},
        outputs=[snakemake.output.table, *map(str, models)],
        started=started,
        sources=sorted({*table["accuracy_source"], *table.get("latency_source", [])}),
    )
