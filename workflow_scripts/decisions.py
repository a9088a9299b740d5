"""Lay out the fronts of one device to choose from, as a table and in plain words."""

from pathlib import Path

from hanas.core.files import write_csv
from hanas.core.progress import print_at_once
from hanas.fronts import trust, trust_of_searches
from hanas.fronts.decisions import decision_table, in_words
from hanas.fronts.otherwise import Trained, beside_front
from hanas.fronts.rows import Row
from hanas.fronts.trust_of_models import of_archs, of_compared
from hanas.study.jobs import job, located

with job(snakemake) as facts:
    cfg = located(snakemake.params.cfg, snakemake.input)
    rows = [Row(**row) for row in cfg["rows"]]
    trained = [Trained.read(**each) for each in cfg["trained"]]
    trusts, device = trust_of_searches.of_rows(rows), rows[0].device
    of_trained = {
        (each.task, arch): found
        for each in trained
        for arch, found in of_archs(each.models, device).items()
    }
    table = trust.beside(beside_front(decision_table(rows), trained), trusts, of_trained)
    write_csv(table, snakemake.output.csv)
    shown = [tuple(search) for search in cfg["in_words"]]
    found = trust.all_of(trusts[device, *search] for search in shown)
    for each in trained:
        found += of_compared(each.models, device, said=found)
    words = in_words(table, searches=shown, trained=trained, head=trust.markdown(found))
    Path(snakemake.output.md).write_text(words, encoding="utf-8")
    facts.update(found.facts)
    for doubt in found.doubts:
        print_at_once(f"Do not trust {snakemake.output.md}: {doubt}")
