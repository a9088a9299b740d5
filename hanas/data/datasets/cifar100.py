"""CIFAR-100 (Krizhevsky, 2009): 60,000 images of 32 x 32 pixels in 100 classes.

From the official archive ``cifar-100-python.tar.gz`` or its unpacked ``cifar-100-python/``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hanas.data.datasets.cifar10 import Cifar
from hanas.data.published_files import KnownFile

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


class Cifar100(Cifar):
    """CIFAR-100; a split file is NAS-Bench-201's ``cifar100-test-split.txt``."""

    kind: Literal["cifar100"] = Field(description="CIFAR-100, with its fine labels.")

    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    archive = KnownFile(
        "cifar-100-python.tar.gz", "md5", "eb9058c3a382ffc7106e4002c42a8d85", 169_001_437
    )
    folder = "cifar-100-python"
    batches = (
        KnownFile("train", "md5", "16019d7e3df5f24257cddd939b257f8d"),
        KnownFile("test", "md5", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    )
    label_key = "fine_labels"
    classes = tuple(NAMES.split())
