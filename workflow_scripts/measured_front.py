"""Measure a found front for real, beside what was predicted of it."""

from pathlib import Path

from hanas.core import plugins
from hanas.core.files import write_csv
from hanas.devices.prediction import predictor
from hanas.fronts import measured_fronts
from hanas.fronts.rows import read_history
from hanas.report.figures import measured, style
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg, names = snakemake.params.cfg, snakemake.wildcards
    table = measured_fronts.measure(
        read_history(snakemake.input.history, names.search),
        predictor.load(snakemake.input.predictor),
        plugins.plugin("devices", cfg["device"]["kind"]).read(
            cfg["device"], f"devices.{names.device}"
        ),
        network=plugins.space(cfg["space"]).deployed.read(cfg["network"]),
        images=Path(snakemake.input.images),
        workspace=Path("results", "measurements", names.device, "kept"),
        log=print,
    )
    write_csv(table, snakemake.output.csv)
    made = measured.draw_front(
        table,
        device=names.device,
        task=names.task,
        proxy=cfg["proxy_label"],
        search=cfg["search_label"],
    )
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    facts.update(sources=sorted({*table["measured_source"], *table["predicted_source"]}))
