"""Choose the architectures that a proxy is learned from, by what the rounds before have shown."""

from pathlib import Path

import pandas as pd

from hanas.core import plugins
from hanas.core.files import write_csv
from hanas.proxies.scoring.chain_learning import choose, trained
from hanas.study.jobs import job

with job(snakemake):
    cfg = snakemake.params.cfg
    space = plugins.space(cfg["space"])
    before = [Path(file) for file in snakemake.input.get("trainings") or ()]
    network = space.deployed.read(cfg["network"])
    archs = choose(space, cfg["batches"], cfg["seed"], network, trained(before))
    write_csv(pd.DataFrame({"arch": archs}), snakemake.output.chosen)
