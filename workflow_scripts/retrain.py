"""Train picks from scratch and put their accuracy beside the benchmark's, where there is one."""

import shutil
import time
from pathlib import Path

import torch

from hanas.core.files import read_parquet, replacing, write_parquet
from hanas.fronts.peeled_retraining import retrain_layers
from hanas.fronts.picks import picks_of_front
from hanas.study.jobs import logged, write_facts
from hanas.training.retraining import retrain

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = {**snakemake.params.cfg, "threads": snakemake.threads}
    # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
    checkpoints = Path(snakemake.output.weights).with_name("checkpoints")
    images = snakemake.input.images
    if "archs" in settings:
        trained = retrain(settings["archs"], settings, images, checkpoints=checkpoints)
    elif "peeling" in settings:
        trained = retrain_layers(
            read_parquet(snakemake.input.front),
            settings,
            images,
            accuracy_floor_percent=settings["accuracy_floor_percent"],
            checkpoints=checkpoints,
        )
    else:
        archs = picks_of_front(
            read_parquet(snakemake.input.front),
            count=settings["picks"],
            representative=settings["representative"],
        )
        trained = retrain(archs, settings, images, checkpoints=checkpoints)
    metrics, history, weights = trained
    metrics["source"] = "measured: trained from scratch with the settings of meta.json"
    if snakemake.input.get("accuracies"):
        benchmark = read_parquet(snakemake.input.accuracies).set_index("arch").loc[metrics["arch"]]
        metrics["benchmark_accuracy_percent"] = benchmark["accuracy_percent"].to_numpy()
        metrics["benchmark_source"] = benchmark["source"].to_numpy()
    with replacing(snakemake.output.weights) as temporary, temporary.open("wb") as handle:
        torch.save(weights, handle)
    write_parquet(history, snakemake.output.history)
    write_parquet(metrics, snakemake.output.metrics)
    shutil.rmtree(checkpoints, ignore_errors=True)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
    )
