"""Divide images into training, validation and test images, by a seed or by a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError, one_line


def random_halves(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw half of ``0 .. count - 1`` (rounded down) and return it and the rest, both sorted.

    >>> first, second = random_halves(5, np.random.default_rng(0))
    >>> len(first), sorted([*first.tolist(), *second.tolist()])
    (2, [0, 1, 2, 3, 4])
    """
    order = generator.permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def read_split(path: Path, keys: tuple[str, str], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a split in the form of NAS-Bench-201 (Dong and Yang, ICLR 2020).

    A JSON object whose members ``keys`` are each ``["int", ["0", "5", ...]]`` or a plain list of
    integers, and which together hold each of ``0 .. count - 1`` once. They are returned sorted,
    int64.

    Raises
    ------
    InputError
        If the file is missing, has another form, or does not divide these images.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(
            f"{path}: not readable as a split file ({reason}); get it from NAS-Bench-201's "
            "repository, or leave out split_file to split by split_seed"
        ) from error
    if not isinstance(content, dict) or not all(key in content for key in keys):
        raise InputError(
            f"{path}: not a split file: expected {' and '.join(map(repr, keys))} in it"
        )
    first, second = (_indices(content[key], f"{path}: {key!r}") for key in keys)
    if not np.array_equal(np.sort(np.concatenate([first, second])), np.arange(count)):
        raise InputError(
            f"{path}: the indices of {keys[0]!r} and {keys[1]!r} are not 0 to {count - 1}, each "
            "once; is this the split file of another data set?"
        )
    return first, second


def _indices(value: Any, where: str) -> np.ndarray:
    if isinstance(value, list) and len(value) == 2 and value[0] == "int":
        value = value[1]
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is not a list of indices")
    for entry in value:
        is_index = isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < 2**40
        if not is_index and not (isinstance(entry, str) and entry.isdecimal() and len(entry) < 12):
            raise InputError(f"{where} holds {entry!r}, which is not an index")
    return np.sort(np.array([int(entry) for entry in value], dtype=np.int64))


def stratified(
    labels: np.ndarray,
    fractions: Sequence[float],
    classes: Sequence[str],
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """Draw from each class the given fractions, at least one image each; the rest comes first.

    Parameters
    ----------
    labels
        int64 array (N,).
    fractions
        Of each class, for each part to draw; their sum is below 1.
    classes
        Names of the classes, for messages.
    generator
        Decides which images are drawn.

    Returns
    -------
    list of ndarray
        ``1 + len(fractions)`` sorted int64 arrays of indices that together hold every image.

    Raises
    ------
    InputError
        If a class has too few images to give every part one.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> parts = stratified(labels, [0.25], ["a", "b"], np.random.default_rng(0))
    >>> [labels[part].tolist() for part in parts]
    [[0, 0, 0, 1, 1, 1], [0, 1]]
    """
    if sum(fractions) >= 1:
        raise InputError(f"fractions {list(fractions)}: they leave nothing; make their sum below 1")
    parts: list[list[np.ndarray]] = [[] for _ in range(1 + len(fractions))]
    for label, name in enumerate(classes):
        members = generator.permutation(np.flatnonzero(labels == label))
        sizes = [max(1, round(len(members) * fraction)) for fraction in fractions]
        if sum(sizes) >= len(members):
            raise InputError(
                f"class {name!r} has {len(members)} image(s) and {1 + len(sizes)} parts to fill; "
                "add images to it or give the parts in folders"
            )
        *drawn, rest = np.split(members, np.cumsum(sizes))
        for part, piece in zip(parts, [rest, *drawn], strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
