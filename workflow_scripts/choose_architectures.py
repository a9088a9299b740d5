"""Choose the architectures that a proxy is learned from, by what the rounds before have shown."""

from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from hanas.core import plugins
from hanas.core.files import write_csv
from hanas.core.progress import print_at_once
from hanas.proxies._proxy import Inputs, Part, Work
from hanas.proxies.scoring.chain_learning import choose, scores_of, trained
from hanas.study.jobs import job, located

with job(snakemake):
    cfg, given = snakemake.params.cfg, snakemake.input
    space = plugins.space(cfg["space"])
    before = [Path(file) for file in given.get("trainings") or ()]
    network = space.deployed.read(cfg["network"])
    tables = zip(cfg.get("members", []), given.get("tables") or (), strict=True)
    parts = located(cfg.get("parts", {}), given.get("files") or ())
    inputs = Inputs(
        members=tuple((member["objective"], Path(file)) for member, file in tables),
        parts=tuple(Part.read(*part) for part in parts.items()),
    )
    # Not an output: what was scored once is there for the search too.
    kept = Path("results", "proxies", snakemake.wildcards.proxy, "kept")
    scores = scores_of(space, inputs, Work(kept, snakemake.threads, print_at_once))
    with scores or nullcontext():
        archs = choose(space, cfg["batches"], cfg["seed"], network, trained(before), scores)
    write_csv(pd.DataFrame({"arch": archs}), snakemake.output.chosen)
