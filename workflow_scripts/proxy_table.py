"""Score every architecture of a space without training it."""

from pathlib import Path
from typing import Any

from hanas.core import plugins
from hanas.core.files import write_parquet
from hanas.core.progress import print_at_once
from hanas.proxies._proxy import Inputs, Proxy, Work
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, given, output = snakemake.params.cfg, snakemake.input, Path(snakemake.output.table)
    proxy: Proxy = plugins.plugin("proxies", cfg["proxy"]["kind"]).read(cfg["proxy"])
    read = ("weights", "images", "accuracies")
    files: dict[str, Any] = {name: Path(given.get(name)) for name in read if given.get(name)}
    members = [
        (member["objective"], Path(file))
        for member, file in zip(cfg.get("members", []), given.get("tables", []), strict=True)
    ]
    table = proxy.score(
        plugins.space(cfg["space"]),
        Inputs(
            members=tuple(members),
            dataset=cfg.get("dataset", ""),
            trainings=tuple(map(Path, given.get("trainings") or ())),
            **files,
        ),
        # Not an output: Snakemake deletes those before a job, and a killed one continues from here.
        Work(output.with_name(f".{output.stem}.unfinished"), snakemake.threads, print_at_once),
    )
    facts.update(table.attrs)
    table.attrs.clear()  # else they would stand in the file too
    write_parquet(table, output)
    facts.update(sources=sorted(set(table["source"])), architectures=len(table))
