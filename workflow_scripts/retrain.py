"""Train picks from scratch and put their accuracy beside the benchmark's, where there is one."""

import shutil
from pathlib import Path

import torch

from hanas.core.files import read_parquet, replacing, write_parquet
from hanas.fronts.peeled_retraining import retrain_layers
from hanas.fronts.picks import picks_of_front
from hanas.fronts.rows import read_history
from hanas.fronts.settings import Peeling
from hanas.study.jobs import job
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

with job(snakemake):
    cfg, given, output = snakemake.params.cfg, snakemake.input, snakemake.output
    settings = FromScratch.read(cfg["how"])
    # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
    checkpoints = Path(output.weights).with_name("checkpoints")
    if "archs" in cfg:
        trained = retrain(cfg["archs"], settings, given.images, checkpoints=checkpoints)
    elif "peeling" in cfg:
        trained = retrain_layers(
            read_history(given.front, cfg["search"]),
            settings,
            given.images,
            peeling=Peeling.read(cfg["peeling"]),
            accuracy_floor_percent=cfg["accuracy_floor_percent"],
            checkpoints=checkpoints,
        )
    else:
        archs = picks_of_front(
            read_history(given.front, cfg["search"]),
            count=cfg["picks"],
            representative=cfg["representative"],
        )
        trained = retrain(archs, settings, given.images, checkpoints=checkpoints)
    metrics, history, weights = trained
    metrics["source"] = "measured: trained from scratch with the settings of meta.json"
    if given.get("accuracies"):
        benchmark = read_parquet(given.accuracies).set_index("arch").loc[metrics["arch"]]
        metrics["benchmark_accuracy_percent"] = benchmark["accuracy_percent"].to_numpy()
        metrics["benchmark_source"] = benchmark["source"].to_numpy()
    with replacing(output.weights) as temporary, temporary.open("wb") as handle:
        torch.save(weights, handle)
    write_parquet(history, output.history)
    write_parquet(metrics, output.metrics)
    shutil.rmtree(checkpoints, ignore_errors=True)
