"""The canonical texts of chains of layers: names of operations, stage by stage, or digits.

``|mb6_5x5|identity|+|mb3_3x3|``; a stage whose channels are searched begins with them,
``40:|mb6_5x5|mb3_3x3|``, and one whose depth is searched has as many names as layers. With
``digits``, a layer is the number of its operation: ``0121``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hanas.core.errors import InputError

if TYPE_CHECKING:
    from hanas.spaces._layerwise import LayerwiseSpace

_STAGE = re.compile(r"(?:([0-9]+):)?\|(.*)\|", re.DOTALL)


def digits(genes: np.ndarray) -> str:
    """Return the text of genes (G,), a digit each."""
    return "".join(map(str, genes.tolist()))


def genes_of_digits(space: LayerwiseSpace, text: str) -> np.ndarray:
    """Return the genes of a text of digits, one a gene."""
    last = len(space.operations) - 1
    known = set("0123456789"[: last + 1])
    if len(text) != len(space.choices) or not set(text) <= known:
        raise InputError(
            f"not an architecture of {space.name}: {text!r}; expected {len(space.choices)} digits, "
            f"0 to {last}, such as {'1' * len(space.choices)}"
        )
    return np.array([int(digit) for digit in text], dtype=np.int64)


def names(space: LayerwiseSpace, genes: np.ndarray) -> str:
    """Return the text of tidy genes (G,), with the names of operations."""
    stages = []
    for choices, where in zip(space.by_stage, space.genes_of_stages, strict=True):
        own = genes[where]
        (which,), (depth,) = choices.sizes(own[None])
        chosen = own[choices.before : choices.before + depth]
        layers = [choices.possible[layer][gene].name for layer, gene in enumerate(chosen)]
        size = f"{choices.channels[which]}:" if len(choices.channels) > 1 else ""
        stages.append(f"{size}|{'|'.join(layers)}|")
    return "+".join(stages)


def genes_of_names(space: LayerwiseSpace, text: str) -> np.ndarray:
    """Return the genes of a text of names."""
    found = [_STAGE.fullmatch(part) for part in text.split("+")]
    stages = [(match[1], match[2].split("|")) for match in found if match]
    fits = len(stages) == len(found) == len(space.by_stage) and all(
        len(layers) in choices.layers and (size is not None) == (len(choices.channels) > 1)
        for (size, layers), choices in zip(stages, space.by_stage, strict=True)
    )
    if not fits:
        counts = ", ".join(" or ".join(map(str, each.layers)) for each in space.by_stage)
        first = space.by_stage[0]
        size = f"{first.channels[0]}:" if len(first.channels) > 1 else ""
        one = "|".join([first.possible[0][0].name] * first.layers[0])
        raise InputError(
            f"not an architecture of {space.name}: {text!r}; expected {len(space.by_stage)} "
            f"stages, joined by +, of {counts} layers, such as {size}|{one}|+..."
        )
    parts = [
        _genes_of_stage(space, number, size, layers, text)
        for number, (size, layers) in enumerate(stages)
    ]
    return np.concatenate(parts)


def _genes_of_stage(
    space: LayerwiseSpace, stage: int, size: str | None, layers: list[str], text: str
) -> np.ndarray:
    choices, where = space.by_stage[stage], space.genes_of_stages[stage]
    genes = np.zeros(len(choices.choices), dtype=np.int64)
    if size is not None:
        if int(size) not in choices.channels:
            known = ", ".join(map(str, choices.channels))
            raise InputError(
                f"{space.place(where.start)} of {text!r}: {size}; expected one of: {known}"
            )
        genes[0] = choices.channels.index(int(size))
    if len(choices.layers) > 1:
        genes[choices.before - 1] = choices.layers.index(len(layers))
    known = [operation.name for operation in space.skeleton.stages[stage].operations]
    for number, name in enumerate(layers):
        gene = where.start + choices.before + number
        if name not in known:
            raise InputError(
                f"{space.place(gene)} of {text!r}: unknown operation {name!r}; expected one of: "
                f"{', '.join(known)}"
            )
        if name not in space.options(gene):
            raise InputError(f"{space.place(gene)}: {cannot_be(name)}")
        genes[choices.before + number] = space.options(gene).index(name)
    return genes


def cannot_be(name: str) -> str:
    """Say why an operation of a stage is none of its first layer."""
    return f"{name} cannot be there, since the first layer of a stage changes the channels"
