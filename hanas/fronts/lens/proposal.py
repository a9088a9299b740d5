"""The smaller space that a lens proposes, as YAML."""

from __future__ import annotations

import yaml

from hanas.fronts.lens.lens import Lens


def text(lens: Lens) -> str:
    """Return what stays of each gene, YAML, with a comment of what it loses."""
    space, kept = lens.population.space, lens.reduction.kept
    genes = {
        space.place(gene): [space.options(gene)[option] for option in options]
        for gene, options in enumerate(kept)
    }
    row = lens.rows[0]
    said = (
        f"# What stays of space {row.space} on {row.device} (task {row.task}, {row.proxy}): "
        f"{lens.reduction.share:.2%} of the front's hypervolume.\n"
    )
    return said + yaml.safe_dump({"space": row.space, "kept": genes}, sort_keys=False)
