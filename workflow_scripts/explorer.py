"""Make one page of all fronts."""

from pathlib import Path

from hanas.core.files import replacing
from hanas.fronts.otherwise import Trained
from hanas.fronts.rows import Row
from hanas.report import explorer
from hanas.study.jobs import job, located

with job(snakemake):
    cfg = located(snakemake.params.cfg, snakemake.input.files)
    parts = {
        name: Path(snakemake.input[name]).read_text(encoding="utf-8")
        for name in ("page", "style", "script")
    }
    trained = [(each["device"], Trained.read(**each)) for each in cfg["trained"]]
    rows, trusted = ([Row(**row) for row in cfg[name]] for name in ("rows", "trusted"))
    data = explorer.explorer_data(rows, trained, trusted)
    page = explorer.html(data, **parts)
    with replacing(snakemake.output.page) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(f"{len(page.encode()) / 1e6:.2f} MB")
