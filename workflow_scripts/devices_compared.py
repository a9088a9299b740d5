"""Compare the devices: how far they agree, and what the front of another one loses."""

from hanas.core.files import write_csv
from hanas.fronts.device_comparison import correlation_table, transfer_table
from hanas.fronts.rows import Row
from hanas.fronts.runs import read_runs
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input)
    rows = [Row(**row) for row in cfg["rows"]]
    write_csv(correlation_table(rows), snakemake.output.correlation)
    write_csv(transfer_table(list(read_runs(rows))), snakemake.output.transfer)
