"""The choices of a space in groups that a person thinks in: stages, kernels, expansions, identity.

All follows from what a space says of its genes: ``choices``, ``options`` and ``place``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hanas.spaces._space import Space

#: Choices that pass on what they are given.
PASSING = ("identity", "skip_connect")
#: What names of operations say in numbers: the label, and where the number stands.
_ASPECTS = {
    "kernel": re.compile(r"(?<![0-9])(\d+)x\1(?![0-9])"),
    "expansion": re.compile(r"(?<=mb)(\d+)(?=_)"),
}


@dataclass(frozen=True)
class Choice:
    """One choice of one gene: its number among all effects, name, and the group it belongs to."""

    effect: int
    gene: int
    option: int
    name: str
    place: str
    part: str  # of the space, such as "stage 3", "edge 2 <- 1", "channels of stage 2"

    @property
    def unit(self) -> tuple[str, str]:
        """What is kept or left out at once: this choice in all genes of its part."""
        return self.part, self.name


def choices_of(space: Space) -> list[Choice]:
    """Return all choices of a space, gene by gene."""
    found = []
    for gene, count in enumerate(space.choices):
        names, place = space.options(gene), space.place(gene)
        part = part_of(place, sized=all(name.isdigit() for name in names))
        for option in range(count):
            choice = Choice(len(found), gene, option, names[option], place, part)
            found.append(choice)
    return found


def part_of(place: str, *, sized: bool) -> str:
    """Return the part of a space that a gene belongs to: a stage, or the gene itself.

    Genes that are ``sized`` say how many channels or layers a stage has.

    >>> part_of("layer 9 (number 1 of stage 3)", sized=False)
    'stage 3'
    >>> part_of("edge 3 <- 1", sized=False)
    'edge 3 <- 1'
    >>> part_of("channels of stage 3", sized=True)
    'channels of stage 3'
    """
    stage = re.search(r"stage \d+", place)
    return stage[0] if stage and not sized else place


def units(choices: Sequence[Choice]) -> dict[tuple[str, str], list[Choice]]:
    """Return the choices of each unit, see :attr:`Choice.unit`, in order."""
    found: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices:
        found.setdefault(choice.unit, []).append(choice)
    return found


def mean_of(choices: Sequence[Choice], count: int) -> np.ndarray:
    """Return the weights, float64 (count,), of the mean effect of choices."""
    weights = np.zeros(count)
    weights[[choice.effect for choice in choices]] = 1 / len(choices)
    return weights


def comparisons(choices: Sequence[Choice], known: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what identity, kernel, expansion, width and depth buy: a label, and weights (E,).

    Each is a mean over all genes of a difference between choices of one gene that have all else in
    common. ``known``, bool (E,), says which effects there are.
    """
    genes: dict[int, list[Choice]] = {}
    for choice in choices:
        if known[choice.effect]:
            genes.setdefault(choice.gene, []).append(choice)
    pairs: dict[str, list[tuple[list[Choice], list[Choice]]]] = {}
    for options in genes.values():
        for label, more, less in _pairs(options):
            pairs.setdefault(label, []).append((more, less))
    for label in sorted(pairs, key=_in_order):
        weights = np.zeros(len(choices))
        for more, less in pairs[label]:
            weights += (mean_of(more, len(choices)) - mean_of(less, len(choices))) / len(
                pairs[label]
            )
        yield label, weights


def _pairs(options: list[Choice]) -> Iterator[tuple[str, list[Choice], list[Choice]]]:
    """Yield label, more and less of what can be compared within a gene."""
    if all(option.name.isdigit() for option in options):
        what = re.sub(r"\d+", "", options[0].place).replace("of stage", "").strip() or "size"
        in_order = sorted(options, key=lambda option: int(option.name))
        if len(in_order) > 1:
            yield f"most instead of least {what}", [in_order[-1]], [in_order[0]]
        return
    compared: set[str] = set()
    for option in options:
        others = [other for other in options if other.name not in (*PASSING, "none")]
        if option.name in (*PASSING, "none") and others:
            yield f"`{option.name}` instead of another operation", [option], others
    for aspect, pattern in _ASPECTS.items():
        alike: dict[str, dict[int, Choice]] = {}
        for option in options:
            if found := pattern.search(option.name):
                alike.setdefault(pattern.sub("*", option.name), {})[int(found[1])] = option
        for values in alike.values():
            least = min(values)
            for value in sorted(values)[1:]:
                compared |= {values[value].name, values[least].name}
                yield f"{aspect} {value} instead of {least}", [values[value]], [values[least]]
    by_name = {option.name: option for option in options}
    for name, option in by_name.items():
        if name.endswith("_se") and name[:-3] in by_name:
            compared.add(name)
            yield "squeeze-and-excitation", [option], [by_name[name[:-3]]]
    # What differs in several ways at once is compared as a whole.
    working = [option for option in options if option.name not in (*PASSING, "none")]
    for option in working[1:]:
        if option.name not in compared:
            yield f"`{option.name}` instead of `{working[0].name}`", [option], [working[0]]


def _in_order(label: str) -> tuple:
    """Sort by what is compared, and numbers as such."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", label))
