"""Measure how well every proxy ranks on every task."""

from hanas.core.files import write_csv
from hanas.fronts.proxy_quality import RankedProxy, ranking_table
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input)
    proxies = [RankedProxy(**row) for row in cfg["rows"]]
    write_csv(ranking_table(proxies), snakemake.output.table)
