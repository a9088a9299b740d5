"""Copies of a picture, pixel by pixel: in two splits, or in two classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hanas.core.errors import InputError
from hanas.data.images import SPLITS

#: How many a warning names; the log names all.
NAMED = 3

#: Numbers of pictures that are equal, each with its split and its label.
Group = list[tuple[int, str, int]]


@dataclass(frozen=True)
class Copies:
    """Groups of equal pictures that are in two splits, and that are in two classes."""

    across_splits: list[Group]
    across_classes: list[Group]

    def lines(self, names: Sequence[str]) -> list[str]:
        """Return a line for each group, with the names of all its pictures."""
        groups = {g[0][0]: g for g in (*self.across_splits, *self.across_classes)}
        return [f"copies: {_line(group, names)}" for _, group in sorted(groups.items())]

    def warnings(self, names: Sequence[str], *, left_out: bool) -> list[str]:
        """Say how many there are, name the first, and say what to do.

        Nothing of those in two splits where they are ``left_out`` of what learns.
        """
        found = []
        if (groups := self.across_splits) and not left_out:
            todo = "accuracies on them are too good; set copies: leave_out, or remove them"
            found.append(f"{_count(groups)} in two splits: {_first(groups, names)}; {todo}")
        if groups := self.across_classes:
            what = "at most one of them has the right class; remove the others"
            found.append(f"{_count(groups)} in two classes: {_first(groups, names)}; {what}")
        return found


def find_copies(
    digests: Sequence[bytes], labels: np.ndarray, splits: Mapping[str, np.ndarray]
) -> Copies:
    """Find equal pictures by the ``digests`` of their pixels; ``labels`` are int64 (N,)."""
    groups: dict[bytes, Group] = defaultdict(list)
    for split in SPLITS:
        for i in splits[split].tolist():
            groups[digests[i]].append((i, split, int(labels[i])))
    several = sorted(group for group in groups.values() if len(group) > 1)
    return Copies(
        [group for group in several if len({split for _, split, _ in group}) > 1],
        [group for group in several if len({label for _, _, label in group}) > 1],
    )


def without_copies(
    digests: Sequence[bytes],
    labels: np.ndarray,
    splits: Mapping[str, np.ndarray],
    classes: Sequence[str],
) -> dict[str, np.ndarray]:
    """Return splits in which a later one holds no picture of an earlier: test, validation, train.

    What is tested on stays as it is. InputError if nothing else is left of a class in a split.
    """
    seen: set[bytes] = set()
    kept = {}
    for split in reversed(SPLITS):
        kept[split] = np.array([i for i in splits[split] if digests[i] not in seen], np.int64)
        if gone := set(labels[splits[split]].tolist()) - set(labels[kept[split]].tolist()):
            name = classes[min(gone)]
            raise InputError(
                f"copies: leave_out leaves no picture of class {name!r} in {split}; add more"
            )
        seen.update(digests[i] for i in splits[split])
    return kept


def _count(groups: list[Group]) -> str:
    return "1 picture is" if len(groups) == 1 else f"{len(groups)} pictures are"


def _line(group: Group, names: Sequence[str]) -> str:
    return " = ".join(f"{names[i]} ({split})" for i, split, _ in group)


def _first(groups: list[Group], names: Sequence[str]) -> str:
    shown = ", ".join(_line(group, names) for group in groups[:NAMED])
    more = len(groups) - NAMED
    return f"{shown} and {more} more, in the log" if more > 0 else shown
