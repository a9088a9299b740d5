"""Say what each choice of a space is worth on a device."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv
from hanas.core.progress import print_at_once
from hanas.devices.prediction import predictor
from hanas.fronts.lens import population, proposal, words
from hanas.fronts.lens.lens import look
from hanas.fronts.rows import Row
from hanas.report.figures import lens as figure
from hanas.report.figures import style
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    files, output = snakemake.input, snakemake.output
    cfg = located(snakemake.params.cfg, [*files.files, files.get("predictor")])
    rows = [Row(**row) for row in cfg["rows"]]
    row, file = rows[0], files.get("predictor")
    predicted = predictor.load(file) if file else None
    if plugins.space(row.space).enumerable:
        known = population.listed(row, predicted)
    else:
        from hanas.proxies._proxy import Part, Work

        assert predicted is not None
        part = Part.read(row.proxy, cfg["part"])
        kept = Path("results", "proxies", part.name, "kept")
        with part.scorer(plugins.space(row.space), Work(kept, snakemake.threads, print)) as scorer:
            sample = cfg["sample"], cfg["seed"]
            known = population.sampled(row, predicted, scorer, count=sample[0], seed=sample[1])
    found = look(rows, known, keep=cfg["keep"])
    write_csv(found.table(), output.csv)
    Path(output.md).write_text(words.page(found), encoding="utf-8")
    Path(output.yaml).write_text(proposal.text(found), encoding="utf-8")
    style.save(figure.draw(found), output.pdf, output.svg, output.png)
    facts.update(words.known(found).facts, sources=dict(known.sources))
    facts["hypervolume_kept"] = found.reduction.share
    for doubt in words.known(found).doubts:
        print_at_once(f"Do not trust {output.md}: {doubt}")
