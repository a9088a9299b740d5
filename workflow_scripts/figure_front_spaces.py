"""Draw the trained models of several spaces, error against latency on a device."""

from hanas.core.files import read_csv, write_parquet
from hanas.report.figures import measured, style
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg = located(snakemake.params.cfg, snakemake.input.files)
    plotted = measured.models_table(
        [(row["label"], row["published"], read_csv(row["file"])) for row in cfg["models"]],
        device=cfg["device"],
    )
    write_parquet(plotted, snakemake.output.data)
    made = measured.draw_models(plotted, device=cfg["device"])
    style.save(made, snakemake.output.pdf, snakemake.output.svg, snakemake.output.png)
    facts["sources"] = sorted({*plotted["accuracy_source"], *plotted["latency_source"]})
