"""Train one of the architectures that a proxy is learned from."""

import shutil
from pathlib import Path

import pandas as pd

from hanas.core import kept
from hanas.core.files import digest, read_csv, write_csv
from hanas.core.progress import print_at_once
from hanas.study.jobs import job
from hanas.training.retraining import FromScratchTraining
from hanas.training.settings import FromScratch

with job(snakemake):
    cfg, files = snakemake.params.cfg, snakemake.input
    arch = read_csv(files.chosen)["arch"][cfg["number"]]
    # Not outputs: Snakemake deletes those before a job. A killed training goes on from here, and
    # what was trained once is there when it is chosen again.
    folder = Path(snakemake.output.shown).parents[1] / "kept"
    training = FromScratchTraining(
        FromScratch.read(cfg["how"]),
        files.images,
        checkpoints=folder / digest(arch)[:16],
        log=print_at_once,
        validate=True,
    )
    key = {"arch": arch, **training.depends_on}
    place = kept.file_of(folder, key)
    row = kept.read(place, key)
    if row is None:
        row, history, _ = training.train(arch)
        row["seconds"] = history[-1]["seconds"]
        kept.write(place, key, row)
        shutil.rmtree(training.checkpoints, ignore_errors=True)
    else:
        print_at_once(f"{arch} was trained before, see {place}")
    how, data = training.settings.training, Path(files.images).stem
    row |= {"epochs": how.epochs, "judged_by": how.judged_by}
    accuracy = "balanced accuracy" if how.judged_by == "balanced" else "accuracy"
    of_images = f"validation {accuracy} of {row['validation_images']} images"
    row["source"] = f"trained {how.epochs} epochs on {data}, {of_images}"
    write_csv(pd.DataFrame([dict(sorted(row.items()))]), snakemake.output.shown)
