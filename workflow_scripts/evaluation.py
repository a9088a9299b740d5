"""Judge every search of one device against the true front."""

import time

from hanas.core.files import write_csv, write_parquet
from hanas.fronts import evaluation, statistics
from hanas.fronts.runs import read_runs
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    searches = list(read_runs(settings["rows"]))
    indicators = evaluation.indicator_table(searches)
    write_csv(indicators, snakemake.output.indicators)
    write_csv(evaluation.budget_table(searches, indicators), snakemake.output.budget)
    write_csv(statistics.searcher_tests(searches), snakemake.output.statistics)
    write_parquet(evaluation.convergence_table(searches), snakemake.output.convergence)
    write_parquet(evaluation.attainment_table(searches), snakemake.output.attainment)
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={str(file): str(file) for file in snakemake.input},
        outputs=snakemake.output,
        started=started,
    )
