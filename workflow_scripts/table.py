"""Put the baselines and the searches of one device side by side, and beside the published table."""

from pathlib import Path

from hanas.core import escape
from hanas.core.files import read_csv, replacing, write_csv
from hanas.fronts import trust, trust_of_searches
from hanas.fronts.rows import Row
from hanas.report import tables, thesis
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg = located(snakemake.params.cfg, snakemake.input.files)
    methods = [tables.Method(**row) for row in cfg["rows"]]
    table = tables.device_table(
        methods,
        device=cfg["device"],
        representative=cfg["representative"],
    )
    with replacing(snakemake.output.csv) as temporary:
        escape.csv(table).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    found = trust.all_of(trust_of_searches.of_rows(Row(**row) for row in cfg["trusted"]).values())
    words = tables.markdown(table, head=trust.markdown(found) if found.known else ())
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
    Path(snakemake.output.tex).write_text(tables.latex(table), encoding="utf-8")
    facts.update(found.facts)
    comparison = thesis.comparison_table(
        read_csv(snakemake.output.csv),  # the digits that are published
        read_csv(snakemake.input.published),
        thesis.found_fronts(methods, cfg["front_of"]),
        device=cfg["device"],
        published_device=cfg["published_device"],
        datasets=cfg["datasets"],
    )
    write_csv(comparison, snakemake.output.comparison_csv)
    words = thesis.comparison_markdown(comparison, published_device=cfg["published_device"])
    Path(snakemake.output.comparison_md).write_text(words, encoding="utf-8")
