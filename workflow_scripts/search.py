"""Search the Pareto front of a proxy and a device's metrics with every seed."""

import time
from pathlib import Path

from hanas.core import plugins
from hanas.core.files import read_parquet, write_parquet
from hanas.study.jobs import logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = snakemake.params.cfg
    if snakemake.input.get("predictor"):  # a space that cannot be listed
        from hanas.search.on_demand_search import search

        history, sources = search(
            settings=settings,
            weights=snakemake.input.get("weights"),
            images=snakemake.input.get("images"),
            predictor=Path(snakemake.input.predictor),
            # Not an output: what was scored once is of use to every search with this proxy.
            kept=Path("results", "proxies", snakemake.wildcards.proxy, "kept"),
            threads=snakemake.threads,
            log=print,
        )
    else:
        from hanas.search.tabular_search import objectives_of, search_all_seeds

        objectives, sources = objectives_of(
            read_parquet(snakemake.input.proxy),
            read_parquet(snakemake.input.device),
            proxy_objective=settings["proxy_objective"],
            device_objectives=settings["device_objectives"],
        )
        history = search_all_seeds(
            plugins.space(settings["space"]), objectives, settings, log=print
        )
    write_parquet(history, snakemake.output.history)
    write_facts(
        snakemake.output.facts,
        settings=settings,
        inputs=dict(snakemake.input.items()),
        outputs=snakemake.output,
        started=started,
        sources=sources,
        unique_evaluations={
            str(seed): int(count) for seed, count in history.groupby("seed").size().items()
        },
    )
