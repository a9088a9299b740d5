"""Small made-up images that networks can be trained on in a moment."""

import numpy as np

from hanas.data.images import SPLITS, ImageData


def toy_images(*, images_each: int = 24, classes: int = 3, side: int = 8) -> ImageData:
    """Noise in which class k has more of colour k; 24 images a split, sorted by class."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat(np.arange(classes), images_each // classes), len(SPLITS))
    images = rng.integers(0, 160, size=(len(labels), side, side, 3))
    images[np.arange(len(labels)), ..., labels % 3] += 90
    splits = {
        name: np.arange(number * images_each, (number + 1) * images_each)
        for number, name in enumerate(SPLITS)
    }
    names = tuple(f"class {k}" for k in range(classes))
    return ImageData(images.astype(np.uint8), labels.astype(np.int64), names, splits, ())
