"""Decode the pickled batches in which the CIFAR and ImageNet16 images are published."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from hanas.core.errors import InputError
from hanas.core.pickles import load_plain


def read_batch(
    handle: BinaryIO, *, name: str, side: int, label_key: str
) -> tuple[np.ndarray, np.ndarray]:
    """Decode one batch of images of ``side`` pixels; code in it is refused.

    The file, which messages call ``name``, is a pickled dictionary with ``data``, uint8
    (n, 3 * side * side) in channel order, and integer labels under ``label_key``.

    Returns
    -------
    tuple of ndarray
        Images, uint8 (n, side, side, 3), and labels, int64 (n,), as they are in the file.

    Raises
    ------
    InputError
        If the file is of another form.
    """
    # Python 2 wrote these files: its strings come out as text this way, whoever wrote them.
    content = load_plain(handle, name=name, encoding="latin1")
    if not isinstance(content, dict) or "data" not in content or label_key not in content:
        raise InputError(f"{name}: expected a dictionary with 'data' and {label_key!r}")
    data = content["data"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise InputError(f"{name}: 'data' is no array of uint8")
    if data.ndim != 2 or data.shape[1] != 3 * side * side:
        raise InputError(
            f"{name}: 'data' has the shape {data.shape}; expected {side} x {side} RGB images, "
            f"(n, {3 * side * side})"
        )
    try:
        labels = np.asarray(content[label_key])
    except ValueError:  # lists of different lengths
        labels = np.empty((0, 0))
    if labels.shape != (len(data),) or labels.dtype.kind not in "iu":
        raise InputError(f"{name}: {label_key!r} is not a list of {len(data)} integers")
    images = data.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
    return images, labels.astype(np.int64)
