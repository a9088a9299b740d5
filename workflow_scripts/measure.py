"""Measure some architectures on a device, and fit what predicts all others."""

import time
from pathlib import Path

from hanas.core.files import write_csv, write_parquet
from hanas.devices.prediction import campaign, predictor
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings, names = snakemake.params.cfg, snakemake.wildcards
    measured, fitted, quality = campaign.run(
        space=names.space,
        settings=settings,
        images=Path(snakemake.input.images),
        # Not an output: what was measured once is of use to every later measuring of the device.
        workspace=Path("results", "measurements", names.device, "kept"),
        log=print,
    )
    write_parquet(measured, snakemake.output.measured)
    predictor.save(fitted, snakemake.output.predictor)
    write_csv(quality, snakemake.output.quality)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sorted({*measured["source"], fitted.source}),
        measured=len(measured),
        unstable=int((~measured["stable"]).sum()),
        infeasible=int((~measured["feasible"]).sum()),
    )
