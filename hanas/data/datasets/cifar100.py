"""CIFAR-100 (Krizhevsky, 2009): 60,000 images of 32 x 32 pixels in 100 classes.

From the official archive ``cifar-100-python.tar.gz`` or its unpacked ``cifar-100-python/``; see
:func:`hanas.data.datasets._cifar.find` for where they are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hanas.data import splits
from hanas.data.datasets import _cifar
from hanas.data.images import ImageData
from hanas.data.readers.known_files import KnownFile

TRAIN_IMAGES = 50_000
TEST_IMAGES = 10_000
NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain
plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""  # of the fine labels 0 to 99


def load(root: Path, settings: Mapping[str, Any], *, downloads: Path) -> ImageData:
    """Return CIFAR-100: half of the official test images each for validation and testing.

    Parameters
    ----------
    root
        The data folder.
    settings
        ``split_seed``, or ``split_file`` (relative to ``root``) in NAS-Bench-201's form
        (``cifar100-test-split.txt``, with ``xvalid`` and ``xtest``).
    downloads
        Folder for downloaded files, which later runs use again.

    Returns
    -------
    ImageData
        The 50,000 training images in official order, then the 10,000 test images; the labels are
        the fine ones.

    Raises
    ------
    InputError
        If a file in the data folder is damaged, or no source gives the images.
    """
    validation, test, split_sources = splits.two_parts(
        TEST_IMAGES, ("xvalid", "xtest"), root=root, settings=settings
    )
    found = _cifar.find(RELEASE, root, downloads)
    return ImageData(
        images=found.images,
        labels=found.labels,
        classes=RELEASE.classes,
        splits={
            "train": np.arange(TRAIN_IMAGES),
            "validation": TRAIN_IMAGES + validation,
            "test": TRAIN_IMAGES + test,
        },
        sources=found.sources + split_sources,
    )


RELEASE = _cifar.Release(
    name="cifar100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    archive=KnownFile(
        "cifar-100-python.tar.gz", "md5", "eb9058c3a382ffc7106e4002c42a8d85", 169_001_437
    ),
    folder="cifar-100-python",
    batches={
        "train": ("16019d7e3df5f24257cddd939b257f8d", TRAIN_IMAGES),
        "test": ("f0ef6b0ae62326f3e7ffdfab6717acfc", TEST_IMAGES),
    },
    label_key="fine_labels",
    classes=tuple(NAMES.split()),
)
