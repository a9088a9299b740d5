"""Train picks and put their accuracy beside the benchmark's, where there is one."""

import shutil
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import checksum, read_parquet, write_parquet, write_tensors
from hanas.fronts.peeling import retrain_layers
from hanas.fronts.picks import picks_of_front, random_members
from hanas.fronts.rows import read_history
from hanas.fronts.settings import Peeling
from hanas.study.jobs import job
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

with job(snakemake) as facts:
    cfg, images = snakemake.params.cfg, snakemake.input.images
    settings = FromScratch.read(cfg["how"])
    # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
    checkpoints = Path(snakemake.output.weights).with_name("checkpoints")
    supernet = snakemake.input.get("supernet")
    if "peeling" in cfg:
        metrics, history, weights = retrain_layers(
            read_history(snakemake.input.front, cfg["search"]),
            settings,
            images,
            peeling=Peeling.read(cfg["peeling"]),
            accuracy_floor_percent=cfg["accuracy_floor_percent"],
            checkpoints=checkpoints,
            supernet=supernet,
        )
        metrics["role"] = "pick"
    else:
        archs = cfg.get("archs") or picks_of_front(
            read_history(snakemake.input.front, cfg["search"]),
            plugins.space(settings.space),
            count=cfg["picks"],
            representative=cfg["representative"],
        )
        roles = {arch: cfg["role"] for arch in archs}
        drawn = random_members(
            settings.space, cfg.get("random", 0), seed=settings.seed, without=archs
        )
        roles |= dict.fromkeys(drawn, "random")
        metrics, history, weights = retrain(
            list(roles),
            settings,
            images,
            checkpoints=checkpoints,
            seeds=cfg["seeds"],
            supernet=supernet,
        )
        metrics["role"] = metrics["arch"].map(roles)
    how = "trained from scratch"
    if supernet:
        how = f"fine-tuned from supernet {cfg['started_from']}"
        facts["started_from"] = {"supernet": cfg["started_from"], "sha256": checksum(supernet)}
        metrics["started_from"] = f"supernet {cfg['started_from']}"
        metrics["started_from_sha256"] = checksum(supernet)
    metrics["source"] = f"measured: {how} with the settings of meta.json"
    if snakemake.input.get("accuracies"):
        benchmark = read_parquet(snakemake.input.accuracies).set_index("arch").loc[metrics["arch"]]
        metrics["benchmark_accuracy_percent"] = benchmark["accuracy_percent"].to_numpy()
        metrics["benchmark_source"] = benchmark["source"].to_numpy()
    write_tensors(weights, snakemake.output.weights)
    write_parquet(history, snakemake.output.history)
    write_parquet(metrics, snakemake.output.metrics)
    shutil.rmtree(checkpoints, ignore_errors=True)
