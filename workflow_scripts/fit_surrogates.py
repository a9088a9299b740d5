"""Fit small models to the tables of the study and judge them on cells that were not fitted."""

from pathlib import Path

import torch

from hanas.benchmarks.surrogates.fitting import fit, targets_of
from hanas.benchmarks.surrogates.models import SurrogateFit
from hanas.core import escape
from hanas.core.files import read_parquet, replacing, write_npz
from hanas.study.jobs import job

with job(snakemake) as facts:
    torch.set_num_threads(1)  # more threads may add in another order
    cfg = {key: value for key, value in snakemake.params.cfg.items() if key != "revision"}
    accuracies = {Path(file).stem: read_parquet(file) for file in snakemake.input.accuracies}
    devices = {
        (Path(file).parts[-3], Path(file).stem): read_parquet(file)
        for file in snakemake.input.devices
    }
    bundle, quality = fit(targets_of(accuracies, devices), SurrogateFit.read(cfg))
    write_npz(snakemake.output.models, bundle.header, bundle.arrays)
    with replacing(snakemake.output.quality) as temporary:
        escape.csv(quality).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    facts.update(sources=sorted(set(quality["source"])))
