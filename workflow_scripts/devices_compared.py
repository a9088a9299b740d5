"""Compare the devices: how far they agree, and what the front of another one loses."""

import time

from hanas.core.files import write_csv
from hanas.fronts.device_comparison import correlation_table, transfer_table
from hanas.fronts.runs import read_runs
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    write_csv(correlation_table(settings["tables"]), snakemake.output.correlation)
    searches = list(read_runs(settings["searches"]))
    write_csv(transfer_table(searches), snakemake.output.transfer)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
