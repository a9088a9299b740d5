"""The smaller space that a lens proposes, as a declaration that can be searched next."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from hanas.core import plugins
from hanas.core.settings import Member
from hanas.fronts.lens.choices import units
from hanas.fronts.lens.lens import Lens
from hanas.spaces._space import Space
from hanas.spaces.kinds.lens import MADE

Kept = Mapping[str, Sequence[str]]


def text(lens: Lens) -> str:
    """Return ``lens.yaml``: a section ``spaces`` to paste into a study, and what it loses.

    Of a space that is no declaration but a plugin, what stays of each gene.
    """
    row, space = lens.rows[0], lens.population.space
    bound = "" if lens.population.listed else " at most"
    lines = [
        f"# Space {row.space} as task {row.task} sees it on {row.device}, by {row.proxy}: made "
        "smaller by what its lens leaves out.",
        f"# Of the front's hypervolume that loses {1 - lens.reduction.share:.2%}{bound}.",
    ]
    found = smaller(space, kept_of(lens))
    if found is None:
        kept = {
            space.place(gene): [space.options(gene)[option] for option in options]
            for gene, options in enumerate(_kept_options(lens))
        }
        found = {"space": row.space, "kept": kept}
    else:
        found = {"spaces": {f"{row.space}_smaller": found}}
    return "\n".join([*lines, _dumped(found)])


def section(spaces: Mapping[str, Any]) -> str:
    """Return a section ``spaces`` of declarations, YAML."""
    return _dumped({"spaces": dict(spaces)})


def kept_of_table(table: pd.DataFrame, *, keep: float) -> dict[str, list[str]]:
    """Return what :func:`kept_of` does, of a lens as its table, for another share to keep."""
    goes = table["front_left_then"].to_numpy() >= keep  # NaN of what never goes
    kept: dict[str, list[str]] = {}
    for part, name, gone in zip(table["part"], table["choice"].astype(str), goes, strict=True):
        names = kept.setdefault(part, [])
        if not gone and name not in names:
            names.append(name)
    return kept


def kept_of(lens: Lens) -> dict[str, list[str]]:
    """Return the names of the choices that stay in each part of the space."""
    gone = {unit for unit, _ in lens.reduction.left_out}
    kept: dict[str, list[str]] = {}
    for part, name in units(lens.choices):
        kept.setdefault(part, [])
        if (part, name) not in gone:
            kept[part].append(name)
    return kept


def smaller(space: Space, kept: Kept) -> dict[str, Any] | None:
    """Return the declaration of a space with these choices only; None if it is no declaration."""
    declared = plugins.declaration(space.name)
    if declared is None:
        return None
    declared = declared.get(MADE, declared)  # of a second stage
    return _OF_KIND[declared["kind"]](copy.deepcopy(dict(declared)), space, kept)


def count_of(lens: Lens) -> int:
    """Return how many architectures the smaller space has."""
    found = smaller(lens.population.space, kept_of(lens))
    if found is None:
        return math.prod(map(len, _kept_options(lens)))
    kind: Any = Member("space_kinds").read(found)
    return kind.space("smaller").count


def _kept_options(lens: Lens) -> tuple[tuple[int, ...], ...]:
    return lens.archive.kept([unit for unit, _ in lens.reduction.left_out])


def _of_layers(declared: dict[str, Any], space: Space, kept: Kept) -> dict[str, Any]:
    every = declared.pop("operations", [])
    every = [every] if isinstance(every, str) else every
    declared["stages"] = [
        _stage({**stage}, number, every, kept)
        for number, stage in enumerate(declared["stages"], start=1)
    ]
    lists = [stage["operations"] for stage in declared["stages"]]
    if all(each == lists[0] for each in lists):  # as short as it can be said
        declared["operations"] = lists[0]
        for stage in declared["stages"]:
            del stage["operations"]
    if set(lists[0]) != set(every) or "operations" not in declared:
        declared.pop("text", None)  # digits would stand for other operations than before
    return declared


def _stage(stage: dict[str, Any], number: int, every: list[str], kept: Kept) -> dict[str, Any]:
    for what in ("channels", "layers"):
        if sizes := kept.get(f"{what} of stage {number}"):
            values = [int(size) for size in sizes]
            stage[what] = values if len(values) > 1 else values[0]
    operations = stage.get("operations", every)
    operations = [operations] if isinstance(operations, str) else operations
    stage["operations"] = [name for name in operations if name in kept[f"stage {number}"]]
    return stage


def _of_cells(declared: dict[str, Any], space: Space, kept: Kept) -> dict[str, Any]:
    for key in ("order", "operations"):  # the official order is of all operations
        declared.pop(key, None)
    places = [space.place(gene) for gene in range(len(space.choices))]
    edges = {re.sub(r"edge|\s", "", place): list(kept[place]) for place in places}
    given = {re.sub(r"\s", "", edge): some for edge, some in declared.get("edges", {}).items()}
    return {**declared, "edges": {**given, **edges}}


_OF_KIND = {"layerwise": _of_layers, "cell": _of_cells}


def _dumped(found: Mapping[str, Any]) -> str:
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes a list in full instead of naming one that is there already."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
