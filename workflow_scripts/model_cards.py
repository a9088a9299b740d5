"""Put trained models together with their cards, and all that is known of them into a table."""

import shutil
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import read_csv, read_parquet, write_csv
from hanas.data.class_accuracy import class_sizes
from hanas.data.images import load_images
from hanas.deploy.model_cards import Made, models_table, write_cards
from hanas.deploy.quantisation import Quantisation
from hanas.fronts import trust_of_devices, trust_of_models, trust_of_searches
from hanas.fronts.otherwise import models_compared
from hanas.report.models import models_page
from hanas.study.jobs import job, located
from hanas.training.settings import RetrainingTraining

with job(snakemake) as facts:
    files = [*snakemake.input.latencies, *snakemake.input.get("predicted", [])]
    cfg = located(snakemake.params.cfg, files)
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
        dataset=cfg["dataset"],
        dataset_kind=cfg["dataset_kind"],
        licence=cfg["license"],
    )
    shutil.copytree(snakemake.input.models, snakemake.output.models, dirs_exist_ok=True)
    images = snakemake.input.images
    predictions = {
        device: trust_of_devices.of_predictor(read_csv(file), f"on {device}")
        for device, file in cfg["predicted"].items()
    }
    data = load_images(images)
    of_images = trust_of_searches.of_warnings(data.warnings, cfg["dataset"])
    of_models = trust_of_models.of_models(exports, latencies, predictions, of_images)
    about = {number: found.about for number, found in of_models.items()}
    cells = {number: found.cells for number, found in of_models.items()}
    folder = snakemake.output.models
    write_cards(exports, latencies, images, made=made, folder=folder, trust=about)
    table = models_table(exports, latencies, retraining=cfg["retraining"], trust=cells)
    others = snakemake.input.get("others")
    table = models_compared(table, read_csv(others) if others else None)
    write_csv(table, snakemake.output.table)
    page = models_page(
        exports,
        table,
        retraining=cfg["retraining"],
        test_images=class_sizes(data)["test"],
        trust=of_models,
    )
    Path(snakemake.output.page).write_text(page, encoding="utf-8")
    facts["sources"] = sorted({*table["accuracy_source"], *table.get("latency_source", [])})
