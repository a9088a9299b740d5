"""Run all searches of a task, a device and a proxy."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import read_parquet, write_parquet
from hanas.core.progress import print_at_once
from hanas.data.tables.metric_tables import METRICS
from hanas.search.run import left_out, objectives_of, search_on_demand, search_tables
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg, files = snakemake.params.cfg, snakemake.input
    space = plugins.space(cfg["space"])
    print_at_once(f"space {space.name} holds {space.count:,} architectures")
    searches = {
        name: plugins.plugin("searchers", given["searcher"]).read(given, f"searches.{name}")
        for name, given in cfg["searches"].items()
    }
    chosen = cfg["proxy_objective"], cfg["device_objectives"]
    if space.enumerable:
        tables = read_parquet(files.proxy), read_parquet(files.device)
        objectives, sources = objectives_of(*tables, *chosen)
        metrics = {name: tables[1][name] for name in METRICS if name in tables[1]}
        histories = search_tables(space, objectives, searches, print)
    else:
        from hanas.devices.prediction import predictor
        from hanas.proxies._proxy import Part, Work

        part = Part.read(snakemake.wildcards.proxy, located(cfg["part"], files.get("files", [])))
        # Not an output: what was scored once is of use to every search with this proxy.
        kept = Path("results", "proxies", part.name, "kept")
        with part.scorer(space, Work(kept, snakemake.threads, print)) as scorer:
            predicted = predictor.load(files.predictor)
            metrics = predicted.values
            found = search_on_demand(space, scorer, predicted, searches, *chosen, print)
            histories, sources = found
            facts.update(scorer.facts)
            scorer.require_ranking(cfg["proxy_objective"])
    write_parquet(histories, snakemake.output.history)
    facts["sources"] = sources
    facts["left_out"] = left_out(metrics, cfg["device_objectives"])
    for said in facts["left_out"].values():
        print_at_once(f"Note: {said}")
    facts["unique_evaluations"] = {
        name: {str(seed): len(of_seed) for seed, of_seed in history.groupby("seed")}
        for name, history in histories.groupby("search", sort=False)
    }
