"""Score the fronts of all searches of a task, a device and a proxy again, with standard errors."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv, write_parquet
from hanas.core.progress import print_at_once
from hanas.fronts.rescoring import rescore
from hanas.fronts.rows import read_history
from hanas.proxies._proxy import Inputs, Work
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, files = snakemake.params.cfg, snakemake.input
    space = plugins.space(cfg["space"])
    proxy = plugins.plugin("proxies", cfg["proxy"]["kind"]).read(cfg["proxy"])
    proxy = proxy.model_copy(update={"objective": cfg["objective"]})
    histories = {name: read_history(files.history, name) for name in cfg["searches"]}
    work = Work(Path(), snakemake.threads, print)
    with proxy.each_image(space, Inputs(Path(files.weights), Path(files.images)), work) as again:
        table, differences = rescore(histories, space, again)
    write_csv(table, snakemake.output.table)
    write_parquet(differences, snakemake.output.differences)
    facts.update(objective=again.objective, images=again.images, seen_images=again.seen)
    said = f"of which the search saw {again.seen}" if again.seen else "which no search saw"
    print_at_once(f"{len(table)} networks scored again on {again.images} validation images, {said}")
