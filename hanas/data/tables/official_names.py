"""What the published benchmarks call the data sets that have shorter names here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanas.core.errors import InputError

#: Our name of each data set of NAS-Bench-201, NATS-Bench and HW-NAS-Bench, and theirs.
OFFICIAL_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "imagenet16_120": "ImageNet16-120",
}


def official_name(dataset: str, settings: Mapping[str, Any], *, benchmark: str) -> str:
    """Return the benchmark's name of a data set.

    Parameters
    ----------
    dataset
        Name of the data set in the study.
    settings
        Settings of the entry; its ``dataset``, if given, is looked up instead, so that a data set
        of another name can borrow the numbers of one that the benchmark has.
    benchmark
        What error messages call the benchmark.

    Raises
    ------
    InputError
        If the benchmark has no such data set.

    Examples
    --------
    >>> official_name("imagenet16_120", {}, benchmark="NATS-Bench")
    'ImageNet16-120'
    >>> official_name("toy", {"dataset": "cifar10"}, benchmark="NATS-Bench")
    'cifar10'
    """
    wanted = settings.get("dataset", dataset)
    if wanted in OFFICIAL_NAMES.values():
        return wanted
    if wanted not in OFFICIAL_NAMES:
        raise InputError(
            f"{benchmark} has no data set {wanted!r}; it has: {', '.join(OFFICIAL_NAMES)}; name "
            "the one whose numbers are to be used with the setting `dataset`"
        )
    return OFFICIAL_NAMES[wanted]


def require_nb201(space: str, *, benchmark: str) -> None:
    """Refuse every space but the one that the published benchmarks cover.

    Raises
    ------
    InputError
        If the space is another than nb201.
    """
    if space != "nb201":
        raise InputError(f"{benchmark} covers the space nb201, not {space}; give a table instead")
