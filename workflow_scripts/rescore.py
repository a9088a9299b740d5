"""Say how well a proxy tells the networks of found fronts apart, with standard errors.

Scores of a supernet are computed again on other images; a learned model says what it does not know.
"""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv, write_parquet
from hanas.core.progress import print_at_once
from hanas.fronts.rescoring import believe, rescore
from hanas.fronts.rows import read_history
from hanas.proxies._proxy import Inputs, Part, Work
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg, files = snakemake.params.cfg, snakemake.input
    space = plugins.space(cfg["space"])
    histories = {name: read_history(files.history, name) for name in cfg["searches"]}
    if "part" in cfg:
        part = Part.read(snakemake.wildcards.proxy, located(cfg["part"], files.files))
        kept = Path("results", "proxies", part.name, "kept")
        with part.scorer(space, Work(kept, snakemake.threads, print_at_once)) as scorer:
            table, differences = believe(histories, space, scorer)
        said = "have errors that are expected, with what the model does not know of them"
    else:
        proxy = plugins.plugin("proxies", cfg["proxy"]["kind"]).read(cfg["proxy"])
        proxy = proxy.model_copy(update={"objective": cfg["objective"]})
        work = Work(Path(), snakemake.threads, print_at_once)
        with proxy.each_image(
            space, Inputs(Path(files.weights), Path(files.images)), work
        ) as again:
            table, differences = rescore(histories, space, again)
        facts.update(objective=again.objective, images=again.images, seen_images=again.seen)
        saw = f"of which the search saw {again.seen}" if again.seen else "which no search saw"
        said = f"scored again on {again.images} validation images, {saw}"
    write_csv(table, snakemake.output.table)
    write_parquet(differences, snakemake.output.differences)
    print_at_once(f"{len(table)} networks {said}")
