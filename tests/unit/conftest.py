"""Small made-up images that networks can be trained on in a moment."""

from pathlib import Path

import numpy as np
import pytest

from hanas.images import SPLITS, ImageData, save_images


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


@pytest.fixture(scope="session")
def toy_data() -> ImageData:
    return toy_images()


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory, toy_data: ImageData) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy.pt"
    save_images(toy_data, path)
    return path
