"""What the published benchmarks call the data sets that have shorter names here."""

from __future__ import annotations

from hanas.core.errors import InputError

#: Our name of each data set of NAS-Bench-201, NATS-Bench and HW-NAS-Bench, and theirs.
OFFICIAL_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "imagenet16_120": "ImageNet16-120",
}


def official_name(dataset: str, *, benchmark: str) -> str:
    """Return the benchmark's name of a data set; ``benchmark`` is what messages call it.

    Raises
    ------
    InputError
        If the benchmark has no such data set.

    Examples
    --------
    >>> official_name("imagenet16_120", benchmark="NATS-Bench")
    'ImageNet16-120'
    """
    if dataset in OFFICIAL_NAMES.values():
        return dataset
    if dataset not in OFFICIAL_NAMES:
        raise InputError(
            f"{benchmark} has no data set {dataset!r}; it has: {', '.join(OFFICIAL_NAMES)}; name "
            "the one whose numbers are to be used with the setting `dataset`"
        )
    return OFFICIAL_NAMES[dataset]


def require_nb201(space: str, *, benchmark: str) -> None:
    """Raise InputError for every space but the one that the published benchmarks cover."""
    if space != "nb201":
        raise InputError(f"{benchmark} covers the space nb201, not {space}; give a table instead")
