"""Cell spaces as data: nodes, and what the edges between them can do."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.core.settings import Count
from hanas.spaces import _cell
from hanas.spaces._cell_operations import CellOperation, operation
from hanas.spaces.kinds._declaration import Declaration

_EDGE = re.compile(r"\s*(\d+)\s*<-\s*(\d+)\s*")
#: A cell of eight nodes has 28 edges, and 64 paths from its input to its output.
MOST_NODES = 8


class Cell(Declaration):
    """Networks of three stages of equal cells, in which each edge is one operation.

    ``channels``, ``cells`` and ``skeleton`` are the defaults of its networks, and what parameters
    and multiply-accumulates are counted in.
    """

    kind: Literal["cell"] = Field(description="Cells: nodes, and an operation on each edge.")
    nodes: Annotated[int, Field(ge=2, le=MOST_NODES)] = Field(
        description="Nodes of a cell, its input and its output among them; an edge leads from each "
        "to every later one."
    )
    operations: list[str] = Field(
        default=[], description="What each edge can be, such as nor_conv_3x3: see docs/spaces.md."
    )
    edges: dict[str, list[str]] = Field(
        default={},
        description="Edges with operations of their own, such as 1<-0, which leads from node 0 to "
        "node 1; one that can only be none is not there.",
    )
    channels: Count = Field(default=16, description="Channels of the first stage; they double.")
    cells: Count = Field(default=5, description="Cells a stage.")
    skeleton: _cell.Skeleton = Field(
        default="standard", description="Transition between stages, as in settings of networks."
    )
    order: Literal["nas_bench_201"] | None = Field(
        default=None, description="Order of the cells: the official one of that benchmark."
    )

    @override
    def space(self, name: str) -> _cell.CellSpace:
        held = self._held()
        if not any(len(of_edge) > 1 for of_edge in held):
            raise InputError(
                "operations: each edge can be one operation only, so that the space holds a single "
                "network; expected two or more on an edge"
            )
        for place, one in self._named():
            if self.channels % one.groups:
                raise InputError(
                    f"{place}: {one.name} splits channels into {one.groups} groups, but channels "
                    f"is {self.channels}, and {self.channels} / {one.groups} = "
                    f"{self.channels / one.groups:g}; expected a divisor of it"
                )
        size = {"channels": self.channels, "cells": self.cells, "skeleton": self.skeleton}
        network, order = _cell.CellNetworkSettings.read(size), None
        if self.order is not None:
            order = _cell.official_order()
            if [len(of_edge) for of_edge in held] != [5] * 6:
                raise InputError(
                    "order: that of NAS-Bench-201 is of 4 nodes and 5 operations; leave it out"
                )
        return _cell.CellSpace(name, self.nodes, held, network, order)

    def _held(self) -> list[list[CellOperation]]:
        """Return what each edge can be."""
        all_edges = {
            f"{b}<-{a}": ("operations", self.operations) for b, a in _cell.edges_of(self.nodes)
        }
        for key, names in self.edges.items():
            match = _EDGE.fullmatch(key)
            edge = f"{int(match[1])}<-{int(match[2])}" if match else key
            if edge not in all_edges:
                raise InputError(
                    f"edges: no edge {key!r} in cells of {self.nodes} nodes, which are numbered "
                    f"from 0; expected some of: {', '.join(all_edges)}"
                )
            if all_edges[edge][0] != "operations":
                raise InputError(f"edges: {edge} is given twice; expected each once")
            all_edges[edge] = (f"edges.{key}", names)
        if self.operations and all(place != "operations" for place, _ in all_edges.values()):
            raise InputError(
                "operations is of no use, since every edge has operations of its own; leave it "
                "out, or take an edge out of edges"
            )
        return [_operations(*of_edge, edge) for edge, of_edge in all_edges.items()]

    def _named(self) -> list[tuple[str, CellOperation]]:
        """Return each operation that is named, after the key that names it."""
        places = {"operations": self.operations} | {
            f"edges.{key}": names for key, names in self.edges.items()
        }
        return [(place, operation(name)) for place, names in places.items() for name in names]


def _operations(place: str, names: list[str], edge: str) -> list[CellOperation]:
    """Return the operations that an edge can be; InputError names the place of what is wrong."""
    if not names:
        raise InputError(f"{place}: edge {edge} has no operation; expected at least one")
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise InputError(f"{place}: {twice[0]!r} is there twice; expected each once")
    try:
        return [operation(name) for name in names]
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
