"""Make one page of all fronts."""

import time
from pathlib import Path

from hanas.core.files import replacing
from hanas.report import explorer
from hanas.study.jobs import located, logged, write_facts

with logged(snakemake.log[0]):
    started = time.monotonic()
    settings = located(snakemake.params.cfg, snakemake.input)
    parts = {
        name: Path(snakemake.input[name]).read_text(encoding="utf-8")
        for name in ("page", "style", "script")
    }
    page = explorer.html(explorer.explorer_data(settings["rows"]), **parts)
    with replacing(snakemake.output.page) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(f"{len(page.encode()) / 1e6:.2f} MB")
    write_facts(
        snakemake.output.facts,
        settings=snakemake.params.cfg,
        inputs={
            Path(file).name if Path(file).is_absolute() else file: file
            for file in map(str, snakemake.input)
        },
        outputs=snakemake.output,
        started=started,
    )
