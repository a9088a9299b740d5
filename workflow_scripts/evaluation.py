"""Judge every search of one device against the true front, and peel the fronts they found."""

from hanas.core.files import write_csv, write_parquet
from hanas.fronts import evaluation, statistics, trust
from hanas.fronts.decisions import decision_table
from hanas.fronts.rows import Row
from hanas.fronts.runs import read_runs
from hanas.fronts.settings import Peeling
from hanas.fronts.trust_of_devices import of_device
from hanas.study.jobs import job, located

with job(snakemake):
    cfg, output = located(snakemake.params.cfg, snakemake.input), snakemake.output
    rows = [Row(**row) for row in cfg["rows"]]
    peeling = Peeling.read(cfg["peeling"], "evaluation.peeling")
    searches = list(read_runs(rows))
    indicators = evaluation.indicator_table(searches)
    write_csv(indicators, output.indicators)
    write_csv(evaluation.budget_table(searches, indicators), output.budget)
    write_csv(statistics.searcher_tests(searches), output.statistics)
    write_parquet(evaluation.convergence_table(searches), output.convergence)
    write_parquet(evaluation.attainment_table(searches), output.attainment)
    write_csv(evaluation.peeling_table(searches, peeling), output.peeling)
    shown_first = sorted(rows, key=lambda row: row.search != cfg["front_search"])
    # Accuracies are the true ones here; how well the device's numbers are known remains.
    names = ("device", "task", "proxy", "search")
    trusts = {tuple(getattr(row, name) for name in names): of_device(row) for row in rows}
    fronts = trust.beside(decision_table(shown_first, peeling), trusts)
    write_csv(fronts, output.trained_fronts)
