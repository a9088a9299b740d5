"""Put trained models together with their cards, and all that is known of them into a table."""

import shutil

from hanas.core import plugins
from hanas.core.files import read_csv, read_parquet, write_csv
from hanas.deploy.model_cards import Made, models_table, write_cards
from hanas.deploy.quantisation import Quantisation
from hanas.fronts.otherwise import models_compared
from hanas.study.jobs import job, located
from hanas.training.settings import RetrainingTraining

with job(snakemake) as facts:
    cfg = located(snakemake.params.cfg, snakemake.input.latencies)
    exports = read_csv(snakemake.input.accuracies)
    latencies = [
        (device, read_parquet(file) if file.endswith(".parquet") else read_csv(file))
        for device, file in cfg["latencies"].items()
    ]
    made = Made(
        space=cfg["space"],
        network=plugins.space(cfg["space"]).deployed.read(cfg["network"], "network"),
        training=RetrainingTraining.read(cfg["training"], "training"),
        seed=cfg["seed"],
        precision=cfg.get("precision"),
        quantisation=Quantisation.read(cfg.get("quantisation", {}), "quantisation"),
    )
    shutil.copytree(snakemake.input.models, snakemake.output.models, dirs_exist_ok=True)
    images = snakemake.input.images
    write_cards(exports, latencies, images, made=made, folder=snakemake.output.models)
    table = models_table(exports, latencies, retraining=cfg["retraining"])
    others = snakemake.input.get("others")
    table = models_compared(table, read_csv(others) if others else None)
    write_csv(table, snakemake.output.table)
    facts["sources"] = sorted({*table["accuracy_source"], *table.get("latency_source", [])})
